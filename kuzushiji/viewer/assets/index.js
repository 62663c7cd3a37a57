// The pages of the book as small pictures, with how sure the reading is and how far the work has come.
class Index {
  constructor(root, editor) {
    this.editor = editor;
    this.root = root;
    this.node = root.querySelector(".viewer-index");
    this.work = root.querySelector(".viewer-work");
    this.button = root.querySelector("[data-index]");
    this.button.addEventListener("click", () => (this.node.hidden ? this.open() : this.close()));
    this.cards = editor.data.pages.map((page, number) => this.card(page, number));
    this.node.replaceChildren(...this.cards.map((card) => card.item));
    this.node.addEventListener("click", (event) => {
      const number = event.target.closest("a")?.dataset.page;
      if (number === undefined) return;
      event.preventDefault();
      editor.show(Number(number));
    });
  }

  card(page, number) {
    const state = element("span", { className: "state" });
    const sure = page.confidence === null ? "" : `confidence ${percent(page.confidence)}`;
    const link = element("a", { href: `#viewer-${number}` }, [
      element("img", { src: page.thumbnail, alt: "", loading: "lazy" }), element("b", { textContent: page.name }),
      element("span", { textContent: [sure, page.doubt].filter(Boolean).join("; ") }), state,
    ]);
    link.dataset.page = number;
    return { item: element("li", {}, [link]), state };
  }

  async refresh() {
    for (const page of this.editor.data.pages) {
      const newest = await this.editor.store.newest(page);
      if (newest) this.mark(newest);
    }
  }

  mark(record) {
    const number = this.editor.data.pages.findIndex((page) => page.name === record.page);
    const { state } = this.cards[number];
    state.textContent = record.done ? "done" : "begun";
    state.dataset.state = state.textContent;
  }

  open() {
    this.toggle(true);
    this.cards[this.editor.current ?? 0]?.item.querySelector("a").focus();
  }

  close() {
    this.toggle(false);
  }

  toggle(on) {
    this.node.hidden = !on;
    this.work.hidden = on;
    this.button.setAttribute("aria-expanded", String(on));
  }
}

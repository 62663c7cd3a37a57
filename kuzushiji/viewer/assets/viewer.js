// A page with its boxes, the text beside it, and what the mouse and the keys do; after details.js in one script.
class Viewer {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    this.select = root.querySelector("select");
    this.page = root.querySelector(".viewer-page");
    this.sheet = root.querySelector(".viewer-sheet");
    this.image = this.sheet.querySelector("img");
    this.details = new Details(root.querySelector(".viewer-details"), this.data);
    this.text = root.querySelector(".viewer-text");
    this.switches = [...root.querySelectorAll(".viewer-switch input")];
  }

  start() {
    this.listen();
    this.show(0);
    this.follow();
  }

  // A link to #viewer-3-14 shows box 14 of page 3; #viewer-3 the page alone.
  follow() {
    const match = /^#viewer-(\d+)(?:-(\d+))?$/.exec(location.hash);
    if (!match || Number(match[1]) >= this.data.pages.length) return;
    this.select.value = match[1];
    this.show(Number(match[1]));
    this.root.scrollIntoView();
    if (match[2] && Number(match[2]) < this.boxes.length) {
      this.choose(Number(match[2]));
      const [box, page] = [this.boxes[this.selected], this.page];
      page.scrollTo(box.offsetLeft - page.clientWidth / 2, box.offsetTop - page.clientHeight / 2);
    }
  }

  listen() {
    window.addEventListener("hashchange", () => this.follow());
    this.select.addEventListener("change", () => this.show(Number(this.select.value)));
    for (const button of this.root.querySelectorAll("[data-step]"))
      button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    for (const input of this.switches) input.addEventListener("change", () => this.filter());
    this.root.querySelector("[data-error]")?.addEventListener("click", () => this.nextError());
    this.slider = this.root.querySelector("[data-zoom]");
    this.slider.addEventListener("input", () => this.zoom(Number(this.slider.value)));
    this.sheet.addEventListener("keydown", (event) => this.key(event));
    for (const area of [this.sheet, this.text]) {
      area.addEventListener("click", (event) => this.pick(event.target, true));
      area.addEventListener("mouseover", (event) => this.hover(this.indexOf(event.target)));
      area.addEventListener("mouseleave", () => this.hover(-1));
    }
    this.sheet.addEventListener("focusin", (event) => this.pick(event.target, false));
  }

  zoom(percents) {
    this.sheet.style.width = `${percents}%`;
    this.slider.value = String(percents);
    this.slider.setAttribute("aria-valuetext", `${Math.round(percents)} %`);
  }

  step(by) {
    const n = this.data.pages.length;
    this.select.value = String((this.current + by + n) % n);
    this.show(Number(this.select.value));
  }

  show(number) {
    this.current = number;
    this.draw(this.data.pages[number]);
  }

  // A page as in the data, from its beginning.
  draw(page) {
    this.selected = -1;
    this.hovered = -1;
    this.content = page;
    this.image.src = page.image;
    this.image.alt = `Page ${page.name}`;
    this.paint();
    this.page.scrollTo(0, 0);
    this.text.scrollTo(0, 0);
    this.details.show(page, -1);
  }

  // The boxes and the text as they are now. A box that is gone keeps its number.
  paint() {
    const page = this.content;
    const there = page.boxes.filter((box) => !box.gone);
    this.sheet.setAttribute("aria-label", `Page ${page.name}, ${there.length} boxes; arrow keys move between them`);
    this.lines = page.lines;
    this.order = this.lines.flat();
    const inLine = new Set(this.order);
    page.boxes.forEach((box, index) => inLine.has(index) || box.gone || this.order.push(index));
    this.boxes = page.boxes.map((box, index) => this.button(box, index));
    // Tab and screen readers follow the order of the document: the order of reading.
    this.sheet.replaceChildren(this.image, ...this.order.map((index) => this.boxes[index]));
    this.spans = new Map();
    this.text.replaceChildren(...this.lines.map((line) => element("p", {}, line.map((index) => this.span(index)))));
    for (const label of this.root.querySelectorAll("[data-count]"))
      label.textContent = `(${there.filter((box) => box.kind === label.dataset.count).length})`;
    this.filter();
  }

  char(index) {
    return this.data.classes[index][0];
  }

  name(box) {
    const probability = box.probability === undefined ? "" : `, probability ${percent(box.probability)}`;
    const truth = box.kind === "wrong" ? (box.truth === undefined ? ", nothing is there" : `, truth ${this.char(box.truth)}`) : "";
    return `${this.char(box.read)}, ${this.details.states[box.kind]}${probability}${truth}`;
  }

  button(box, index) {
    const [x, y, w, h] = box.at;
    const { width, height } = this.content;
    const node = element("button", { type: "button", className: `viewer-box ${box.kind}`, tabIndex: -1 }, [
      element("span", { textContent: this.char(box.read), lang: "ja" }),
    ]);
    node.dataset.box = index;
    node.setAttribute("aria-label", this.name(box));
    node.setAttribute("aria-pressed", "false");
    Object.assign(node.style, {
      left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`,
      width: `${(100 * w) / width}%`, height: `${(100 * h) / height}%`,
    });
    return node;
  }

  span(index) {
    const box = this.content.boxes[index];
    const node = element("span", { textContent: this.char(box.read), className: box.kind });
    node.dataset.box = index;
    this.spans.set(index, node);
    return node;
  }

  isShown(index) {
    return !this.boxes[index].hidden;
  }

  filter() {
    const off = new Set(this.switches.filter((input) => !input.checked).map((input) => input.value));
    this.sheet.classList.toggle("labels", !off.has("labels"));
    this.content.boxes.forEach((box, index) => {
      this.boxes[index].hidden = off.has(box.kind);
      const span = this.spans.get(index);
      if (span) span.hidden = off.has(box.kind);
    });
    if (this.selected >= 0 && !this.isShown(this.selected)) this.choose(-1);
    this.rove();
  }

  // One box at a time is reached with Tab; the arrow keys go on from it.
  rove() {
    const at = this.selected >= 0 ? this.selected : this.order.find((index) => this.isShown(index));
    this.boxes.forEach((node, index) => (node.tabIndex = index === at ? 0 : -1));
  }

  indexOf(target) {
    const node = target.closest("[data-box]");
    return node ? Number(node.dataset.box) : -1;
  }

  pick(target, clicked) {
    const index = this.indexOf(target);
    if (index < 0) return;
    this.choose(index);
    if (clicked && target.closest(".viewer-text")) this.boxes[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  choose(index) {
    this.mark(this.selected, false);
    this.selected = index;
    this.mark(index, true);
    this.rove();
    this.details.show(this.content, index);
  }

  mark(index, on) {
    if (index < 0) return;
    this.boxes[index].setAttribute("aria-pressed", String(on));
    const span = this.spans.get(index);
    span?.classList.toggle("selected", on);
    if (on && span) this.scrollText(span);
  }

  // Moves the text alone: scrollIntoView would move the page under the reader's hands.
  scrollText(span) {
    const [outer, inner] = [this.text.getBoundingClientRect(), span.getBoundingClientRect()];
    if (inner.left < outer.left) this.text.scrollLeft += inner.left - outer.left - 8;
    if (inner.right > outer.right) this.text.scrollLeft += inner.right - outer.right + 8;
    if (inner.top < outer.top) this.text.scrollTop += inner.top - outer.top - 8;
    if (inner.bottom > outer.bottom) this.text.scrollTop += inner.bottom - outer.bottom + 8;
  }

  hover(index) {
    if (index === this.hovered) return;
    for (const old of this.root.querySelectorAll(".active")) old.classList.remove("active");
    this.hovered = index;
    if (index >= 0) {
      this.boxes[index].classList.add("active");
      this.spans.get(index)?.classList.add("active");
    }
    this.details.show(this.content, index >= 0 ? index : this.selected);
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = {
      ArrowDown: () => this.along(1), ArrowUp: () => this.along(-1),
      ArrowLeft: () => this.across(1), ArrowRight: () => this.across(-1),
      Home: () => this.shown()[0], End: () => this.shown().at(-1),
      n: () => this.errorAfter(this.selected), N: () => this.errorAfter(this.selected),
    };
    if (event.key === "Escape") return this.choose(-1);
    const target = moves[event.key]?.();
    if (target === undefined) return;
    event.preventDefault();
    this.focus(target);
  }

  focus(index) {
    this.choose(index);
    this.boxes[index].focus({ preventScroll: true });
    this.boxes[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  shown() {
    return this.order.filter((index) => this.isShown(index));
  }

  along(by) {
    const shown = this.shown();
    return shown[Math.min(Math.max(shown.indexOf(this.selected) + by, 0), shown.length - 1)];
  }

  // The box of the next column that stands at about the same height.
  across(by) {
    const middle = (index) => this.content.boxes[index].at[1] + this.content.boxes[index].at[3] / 2;
    let column = this.lines.findIndex((line) => line.includes(this.selected));
    if (column < 0) return undefined;
    for (column += by; column >= 0 && column < this.lines.length; column += by) {
      const line = this.lines[column].filter((index) => this.isShown(index));
      const distance = (index) => Math.abs(middle(index) - middle(this.selected));
      if (line.length) return line.reduce((best, index) => (distance(index) < distance(best) ? index : best));
    }
    return undefined;
  }

  isError(box) {
    return ["wrong", "missed"].includes(box.kind);
  }

  errorAfter(index) {
    const errors = this.shown().filter((other) => this.isError(this.content.boxes[other]));
    const place = this.order.indexOf(index);
    return errors.find((other) => this.order.indexOf(other) > place) ?? errors[0];
  }

  nextError() {
    const index = this.errorAfter(this.selected);
    if (index !== undefined) this.focus(index);
  }
}


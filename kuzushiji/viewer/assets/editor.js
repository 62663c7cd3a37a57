// The viewer of a book whose pages can be edited: pages are loaded when they are shown.
const MOST_LOADED = 6, PATIENCE = 800; // pages in memory; milliseconds without an edit before the folder is written to
const WAITING = new Map(); // pages that are being loaded: by name, who waits for the data

// The script of each page calls it.
globalThis.kuzushiji = { summary() {}, page: (data) => WAITING.get(data.pages[0].name)?.(data) };

class Editor extends SavingViewer {
  constructor(root) {
    super(root);
    this.loaded = new Map();
    this.percents = 100;
    this.store = new Store();
    this.details = new EditDetails(root.querySelector(".viewer-details"), this.data, this);
    this.input = root.querySelector(".viewer-type");
    this.status = root.querySelector(".viewer-status");
    this.alert = root.querySelector(".viewer-alert");
    this.said = root.querySelector(".viewer-said");
    this.index = new Index(root, this);
    root.querySelector(".viewer-commands").replaceChildren(...commandButtons());
    root.querySelector(".viewer-more").open = !matchMedia("(max-width: 760px)").matches;
  }

  async start() {
    this.listen();
    await this.store.open();
    if (this.store.problem) this.warn(this.store.problem);
    await this.index.refresh();
    if (this.follow()) return;
    if (this.data.pages.length > 1) this.index.open();
    else await this.show(0);
  }

  listen() {
    super.listen();
    this.pointer = new Pointer(this);
    this.root.querySelector(".viewer-commands").addEventListener("click", (event) => {
      const key = event.target.closest("[data-command]")?.dataset.command;
      if (key) this.run(COMMANDS.find((command) => command.key === key));
    });
    this.details.node.addEventListener("click", (event) => {
      const place = event.target.closest("[data-candidate]")?.dataset.candidate;
      if (place !== undefined) this.take(Number(place));
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.isComposing) return; // Enter ends the composition of an input method, not the typing
      if (event.key === "Enter") this.type();
      if (event.key === "Escape" || event.key === "Enter") this.back();
    });
    const actions = { undo: () => this.undo(), redo: () => this.redo(), download: () => this.download(), open: () => this.opener.click() };
    for (const [name, action] of Object.entries(actions)) this.root.querySelector(`[data-${name}]`).addEventListener("click", action);
    this.opener = this.root.querySelector('input[type="file"]');
    this.opener.addEventListener("change", () => this.openFile());
    this.doneBox = this.root.querySelector("[data-done]");
    this.doneBox.addEventListener("change", () => this.edit("done or not", () => (this.edits.done = this.doneBox.checked)));
    this.root.addEventListener("keydown", (event) => this.travelKey(event));
    window.addEventListener("pagehide", () => this.flush());
    window.addEventListener("beforeunload", (event) => { if (this.store.isUnkept) event.preventDefault(); });
  }

  // A link to #viewer-3 shows page 3; returns whether there is one.
  follow() {
    const match = /^#viewer-(\d+)/.exec(location.hash);
    if (!match || Number(match[1]) >= this.data.pages.length) return false;
    this.show(Number(match[1]));
    return true;
  }

  // Shows a page as it is kept, with a line to say. Until it is there, the page before it is the one that is edited.
  async show(number, line = this.store.problem) {
    const active = document.activeElement; // the keys go on working on the new page
    const follows = active === document.body || this.sheet.contains(active) || this.index.node.contains(active);
    const summary = this.data.pages[number];
    this.wanted = number;
    await this.flush();
    const data = await this.load(summary).catch(() => null);
    if (this.wanted !== number) return; // another one was chosen meanwhile
    if (!data) {
      this.select.value = String(this.current ?? number);
      return this.warn(`${summary.name}: its file ${summary.name}.viewer.js is missing or damaged; kuzushiji predict writes it`);
    }
    const { page, others } = await this.store.show(summary);
    if (this.wanted !== number) return;
    this.current = number;
    this.select.value = String(number);
    this.refused = false;
    this.index.close();
    Object.assign(this.data, { models: data.models, classes: data.classes });
    this.edits = data.edits;
    this.stored = page;
    if (page && !sameContent(page, this.edits)) this.edits.replace(page.characters, page.done);
    this.draw(this.edits.page);
    const isOlder = page?.reading && page.reading !== summary.reading;
    const older = isOlder ? "These corrections are of an older reading; the candidates are those of the new one." : "";
    this.offer(others, `${line} ${older}`.trim());
    if (page?.dirty && this.store.served) this.pending.set(page.page, page); // the folder could not be written to before
    history.replaceState(null, "", `#viewer-${number}`);
    this.showState();
    if (follows && this.order.length) this.focus(this.order[0]);
    this.flush();
    const next = this.data.pages[number + 1];
    if (next) this.load(next).catch(() => null);
  }

  load(summary) {
    if (!this.loaded.has(summary.name)) {
      const loading = new Promise((resolve, reject) => {
        WAITING.set(summary.name, (data) => resolve({ ...data, edits: new Edits(data) }));
        const script = element("script", { src: `${encodeURIComponent(summary.name)}.viewer.js` });
        script.addEventListener("load", () => { script.remove(); reject(new Error("no page")); });
        script.addEventListener("error", () => { script.remove(); this.loaded.delete(summary.name); reject(new Error("no file")); });
        document.head.append(script);
      }).finally(() => WAITING.delete(summary.name));
      this.loaded.set(summary.name, loading);
      const oldest = [...this.loaded.keys()].find((name) => name !== this.content?.name);
      if (this.loaded.size > MOST_LOADED) this.loaded.delete(oldest);
    }
    return this.loaded.get(summary.name);
  }

  paint() {
    const selected = this.selected, focused = this.sheet.contains(document.activeElement);
    super.paint();
    this.outlined = element("div", { className: "viewer-outline", hidden: true });
    this.sheet.append(this.outlined);
    for (const node of this.root.querySelectorAll("[data-truth]")) node.hidden = !this.content.boxes.some((box) => box.known);
    if (selected < 0) return;
    const there = this.content.boxes[selected] && !this.content.boxes[selected].gone && this.isShown(selected);
    this.selected = -1;
    this.choose(there ? selected : -1);
    if (focused && there) this.boxes[selected].focus({ preventScroll: true });
  }

  choose(index) {
    super.choose(index);
    for (const old of this.sheet.querySelectorAll(".viewer-corner")) old.remove();
    if (index >= 0)
      for (const corner of CORNERS) {
        const handle = element("span", { className: `viewer-corner ${corner}` });
        handle.dataset.corner = corner;
        this.boxes[index].append(handle);
      }
    for (const button of this.root.querySelectorAll("[data-command]"))
      button.disabled = index < 0 && !COMMANDS.find((command) => command.key === button.dataset.command).alone;
    this.input.disabled = index < 0;
    if (document.activeElement !== this.input) this.input.value = "";
  }

  button(box, index) {
    const node = super.button(box, index);
    node.classList.add(`role-${box.role}`);
    if (box.role !== "text" && box.role !== NO_TEXT) node.setAttribute("aria-label", `${node.getAttribute("aria-label")}, ${box.role}`);
    return node;
  }

  pick(target, clicked) {
    if (!this.dragged && !this.adding) super.pick(target, clicked);
  }

  // The best candidates of all models, each class once with its greatest probability.
  candidates(box) {
    const best = new Map();
    for (const [, found] of box.candidates)
      for (const [number, probability] of found) best.set(number, Math.max(best.get(number) ?? 0, probability));
    return [...best].filter(([number]) => this.data.classes[number][1] !== "seg_fp").sort((a, b) => b[1] - a[1]).slice(0, MOST_CANDIDATES);
  }

  // An edit that can be undone; then the box `next`, or the same one, is selected.
  edit(what, how, next) {
    this.edits.change(how);
    this.changed(what);
    if (next !== undefined) this.focus(next);
  }

  changed(what) {
    this.paint();
    this.said.textContent = what;
    this.keep();
  }

  after(index) {
    const shown = this.shown();
    return shown[shown.indexOf(index) + 1] ?? shown[shown.indexOf(index) - 1];
  }

  run(command) {
    if (this.selected >= 0 || command.alone) command.run(this, this.selected);
  }

  take(place) {
    const candidate = this.candidates(this.content.boxes[this.selected])[place];
    if (candidate) this.edit(`${this.char(candidate[0])} taken`, () => this.edits.take(this.selected, candidate[0]));
  }

  type() {
    const text = this.input.value.normalize("NFC").replace(/\s/g, "");
    this.input.value = "";
    if (text) this.edit(`${text} written`, () => this.edits.type(this.selected, text));
  }

  back() {
    if (this.selected >= 0) this.boxes[this.selected].focus({ preventScroll: true });
  }

  startAdding() {
    this.adding = !this.adding;
    this.sheet.classList.toggle("adding", this.adding);
    this.said.textContent = this.adding ? "draw the new box; Enter puts one below the selected box" : "no new box";
  }

  addBox(at) {
    if (this.adding) this.startAdding();
    const index = this.edits.change(() => this.edits.add(at));
    this.changed("a new box");
    this.focus(index);
    this.input.focus();
  }

  outline(at, index = -1) {
    if (!this.outlined) return;
    this.outlined.hidden = !at;
    if (index >= 0) this.boxes[index].classList.toggle("dragged", Boolean(at));
    if (!at) return;
    const { width, height } = this.content;
    const [left, top, w, h] = [at[0] / width, at[1] / height, at[2] / width, at[3] / height].map((share) => `${100 * share}%`);
    Object.assign(this.outlined.style, { left, top, width: w, height: h });
  }

  zoom(percents) {
    super.zoom(percents);
    this.percents = percents;
  }

  isError(box) {
    return box.kind === "doubtful" || super.isError(box);
  }

  key(event) {
    const arrow = ARROWS[event.key];
    if (arrow && (event.shiftKey || event.altKey) && this.selected >= 0) {
      event.preventDefault();
      const step = Math.max(1, Math.round(this.content.height / 1000)), [x, y, w, h] = this.content.boxes[this.selected].at;
      const [dx, dy] = arrow.map((way) => way * step);
      const at = event.shiftKey ? [x + dx, y + dy, w, h] : [x, y, w + dx, h + dy];
      return this.edit(event.shiftKey ? "moved" : "another size", () => this.edits.put(this.selected, at));
    }
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Escape" && this.adding) return this.startAdding();
    if (event.key === "Enter" && this.adding && this.selected >= 0) {
      event.preventDefault();
      const [x, y, w, h] = this.content.boxes[this.selected].at;
      return this.addBox([x, y + h, w, h]);
    }
    if (event.key === "PageDown" || event.key === "PageUp") {
      event.preventDefault();
      return this.step(event.key === "PageDown" ? 1 : -1);
    }
    const command = COMMANDS.find(({ key }) => key === event.key || (key === "Delete" && event.key === "Backspace"));
    if (!command && !/^[1-9]$/.test(event.key)) return super.key(event);
    event.preventDefault();
    if (command) this.run(command);
    else if (this.selected >= 0) this.take(Number(event.key) - 1);
  }

  travelKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.target === this.input) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) this.redo();
    else this.undo();
  }

  undo() {
    if (this.edits?.undo()) this.changed("undone");
  }

  redo() {
    if (this.edits?.redo()) this.changed("done again");
  }
}

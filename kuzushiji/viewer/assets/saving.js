// The part of the editor that keeps work: in the browser after each edit, in the folder soon after, as a file on demand.
class SavingViewer extends Viewer {
  constructor(root) {
    super(root);
    this.pending = new Map(); // what waits to be written into the folder, by page
  }

  // The page as corrections.json has it.
  record() {
    const summary = this.data.pages[this.current], before = this.stored?.history ?? [{ by: "models", models: summary.models }];
    const history = before.at(-1)?.by === "human" ? before.slice(0, -1) : before;
    const { name, image, frame, sha256, width, height, reading } = summary;
    return {
      page: name, image, frame, sha256, width, height, reading, revision: this.stored?.revision ?? 0, done: this.edits.done,
      history: [...history, { by: "human", at: `${new Date().toISOString().slice(0, 19)}Z` }], characters: this.edits.characters,
      base: this.stored?.base, dirty: true,
    };
  }

  // After an edit: into the browser at once, into the folder when nothing more is edited for a moment.
  keep() {
    const record = this.record();
    this.stored = record;
    this.kept = this.store.keep(record).then((isNewest) => (isNewest ? this.showState() : this.refuse(record.page,
      "Another window of this browser has changed this page; load it again: your version stays in this browser")));
    this.index.mark(record);
    if (!this.store.served || this.refused) return;
    this.pending.set(record.page, record);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), PATIENCE);
  }

  // Writes what waits into the folder, one page after the other.
  async flush() {
    clearTimeout(this.timer);
    await this.kept;
    await this.saving;
    if (!this.pending.size) return this.saving;
    const records = [...this.pending.values()];
    this.pending.clear();
    this.saving = (async () => { for (const record of records) await this.saveOne(record); })();
    await this.saving;
  }

  async saveOne(record) {
    const { page, refused, again } = await this.store.save(record), name = record.page;
    if (refused) {
      if (again) return this.refuse(name, refused);
      this.failure = refused; // the next edit tries it again
      this.warn(refused);
      return this.showState();
    }
    if (this.failure) this.warn((this.failure = ""));
    const { revision, base } = page, newer = this.pending.get(name); // edited while it was saved
    if (newer) this.pending.set(name, { ...newer, revision, base });
    if (this.stored?.page === name) this.stored = { ...this.stored, revision, base, dirty: Boolean(newer) || this.refused };
    if (this.refused) return;
    await this.store.keep(this.pending.get(name) ?? { ...page, dirty: false });
    this.showState(newer ? undefined : "saved");
  }

  // Nothing more of a page goes into the folder until it is shown again: the browser's version is not lost meanwhile.
  refuse(name, line) {
    this.pending.delete(name);
    if (this.stored?.page === name) this.refused = true;
    this.warn(line);
    this.showState();
  }

  showState(text) {
    Object.assign(this.doneBox, { checked: this.edits.done, disabled: false });
    const kept = this.refused || this.failure ? "kept in this browser alone" : "kept in this browser, being saved";
    const unsaved = this.store.isUnkept ? "not kept in this browser: download before you leave"
      : this.store.served ? kept : "kept in this browser; Download saves a file";
    this.status.textContent = text ?? (this.stored?.dirty ? unsaved : this.stored ? "as it was saved" : "as it was read");
    this.root.querySelector("[data-undo]").disabled = !this.edits.past.length;
    this.root.querySelector("[data-redo]").disabled = !this.edits.future.length;
  }

  // A line that stays until another one comes; with a button for each of the actions, by name.
  warn(line, actions = {}) {
    this.alert.replaceChildren(line);
    this.alert.hidden = !line;
    for (const [name, action] of Object.entries(actions)) {
      const button = element("button", { type: "button", textContent: name });
      button.addEventListener("click", () => { this.warn(""); action(); });
      this.alert.append(" ", button);
    }
  }

  // What another window, the folder or a file was faster than, or has replaced.
  offer(others, line = "") {
    const [other] = others;
    if (!other) return this.warn(line);
    const at = other.history.at(-1)?.at, of = at ? ` of ${at.replace("T", " ").replace("Z", " UTC")}` : "";
    const what = others.length > 1 ? `${others.length} other versions of this page, the first${of}` : `another version of this page${of}`;
    this.warn(`${line} This browser has ${what}.`.trim(), {
      "Show the other version": () => this.swap(other),
      "Delete the other version": async () => { await this.store.remove(other); await this.offerOthers(); },
    });
  }

  async offerOthers(line) {
    const { others } = await this.store.show(this.data.pages[this.current]);
    this.offer(others, line);
  }

  // Shows a version that was put aside, and puts the one that was shown aside.
  async swap(other) {
    await this.flush();
    if (this.stored) await this.store.put([this.store.aside(this.stored)]);
    this.stored = { ...other, revision: this.stored?.revision ?? 0, base: this.stored?.base };
    this.edits.replace(other.characters, other.done);
    this.changed("the other version");
    await this.kept;
    if (this.refused) return;
    await this.store.remove(other);
    await this.flush();
    if (!this.refused) await this.offerOthers();
  }

  async download() {
    const value = await this.store.corrections(this.data.pages, this.data.version, this.stored);
    const link = element("a", { download: "corrections.json" });
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(value, null, 1)}\n`], { type: "application/json" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async openFile() {
    const [file] = this.opener.files;
    if (!file) return;
    try {
      const value = JSON.parse(await file.text());
      this.opener.value = "";
      await this.flush();
      await this.store.ask();
      const { fresh, same, differ, strange, damaged } = await this.store.sort(value, this.data.pages);
      const notes = [
        same.length && `${same.length} are here already`,
        strange.length && `${strange.length} pages of other books, pictures or sizes left out`,
        damaged.length && `${damaged.length} damaged pages left out`,
      ].filter(Boolean);
      await this.takeOver(fresh, file.name, notes, differ);
    } catch (error) {
      this.warn(`${file.name}: ${error.message}`);
    }
  }

  // Takes pages of a file over; asks about those that would replace another version.
  async takeOver(pages, name, notes, differ = []) {
    await this.flush();
    const refused = [];
    for (const page of pages) refused.push(await this.store.take(page));
    const lines = [`${pages.length} pages taken`, ...notes, ...new Set(refused.filter(Boolean))].join(", ");
    await this.index.refresh();
    await this.show(this.current ?? 0, `${name}: ${lines}.`);
    if (!differ.length) return;
    const names = differ.slice(0, 5).map((page) => page.page).join(", "), more = differ.length > 5 ? " and others" : "";
    this.warn(`${name}: ${lines}. ${differ.length} pages differ from what is kept here: ${names}${more}. What is replaced can be shown again.`, {
      "Take them from the file": () => this.takeOver(differ, name, []),
      "Keep what is here": () => this.offerOthers(),
    });
  }
}

// The part of the editor that keeps work: in the browser after each edit, in the folder soon after, as a file on demand.
class SavingViewer extends Viewer {
  // The page as corrections.json has it.
  record() {
    const summary = this.data.pages[this.current], before = this.stored?.history ?? [{ by: "models", models: summary.models }];
    const history = before.at(-1).by === "human" ? before.slice(0, -1) : before;
    const { name, image, frame, sha256, width, height, reading } = summary;
    return {
      page: name, image, frame, sha256, width, height, reading, revision: this.stored?.revision ?? 0, done: this.edits.done,
      history: [...history, { by: "human", at: `${new Date().toISOString().slice(0, 19)}Z` }], characters: this.edits.characters,
    };
  }

  // After an edit: into the browser at once, into the folder when nothing more is edited for a moment.
  keep() {
    const record = this.record();
    this.stored = record;
    this.kept = this.store.keep({ ...record, dirty: true }).then(
      (newest) => (newest ? this.showState() : this.refuse("Another window of this browser has changed this page; load it again: your version stays in this browser")),
      (error) => this.warn(`not kept in the browser: ${error}`),
    );
    this.index.mark(record);
    if (!this.store.served || this.refused) return;
    this.pending = record;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), PATIENCE);
  }

  // Writes what waits into the folder, one page after the other.
  async flush() {
    clearTimeout(this.timer);
    await this.kept;
    await this.saving;
    if (!this.pending) return;
    this.saving = this.saveOne(this.pending);
    this.pending = null;
    await this.saving;
  }

  async saveOne(record) {
    const { page, refused } = await this.store.save(record);
    if (refused) return this.refuse(refused);
    const isNewest = this.stored === record;
    if (this.stored?.page === page.page) this.stored = { ...this.stored, revision: page.revision };
    if (this.pending?.page === page.page) this.pending = { ...this.pending, revision: page.revision };
    if (isNewest) await this.store.keep({ ...page, dirty: false });
    this.showState(isNewest ? "saved" : undefined);
  }

  // Nothing more goes into the folder until the page is shown again: the browser's version is not lost meanwhile.
  refuse(line) {
    this.refused = true;
    this.pending = null;
    this.warn(line);
  }

  showState(text) {
    Object.assign(this.doneBox, { checked: this.edits.done, disabled: false });
    const unsaved = this.store.served ? "kept in this browser, being saved" : "kept in this browser; Download saves a file";
    this.status.textContent = text ?? (this.edits.past.length ? unsaved : this.stored ? "as it was saved" : "as it was read");
    this.root.querySelector("[data-undo]").disabled = !this.edits.past.length;
    this.root.querySelector("[data-redo]").disabled = !this.edits.future.length;
  }

  // A line that stays until another one comes; with a button where there is something to do.
  warn(line, name, action) {
    this.alert.replaceChildren(line);
    this.alert.hidden = !line;
    if (!name) return;
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => { this.warn(""); action(); });
    this.alert.append(" ", button);
  }

  // The folder has a newer version than the browser's, which was never saved.
  offer(mine) {
    this.warn("This page was saved elsewhere since; that version is shown. This browser has another one.", "Show mine", () => {
      this.edits.past.push(this.edits.state);
      this.edits.load(mine.characters, mine.done);
      this.store.forgetAside(mine);
      this.changed("the browser's version");
    });
  }

  async download() {
    const value = await this.store.corrections(this.data.pages, this.data.version);
    const link = element("a", { download: "corrections.json" });
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(value, null, 1)}\n`], { type: "application/json" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  async openFile() {
    const [file] = this.opener.files;
    if (!file) return;
    this.opener.value = "";
    try {
      const [own, others] = await this.store.take(JSON.parse(await file.text()), this.data.pages);
      this.loaded.clear();
      await this.index.refresh();
      await this.show(this.current ?? 0);
      this.warn(`${file.name}: ${own} pages taken${others ? `, ${others} pages of other books or pictures left out` : ""}`);
    } catch (error) {
      this.warn(`${file.name}: ${error.message}`);
    }
  }
}

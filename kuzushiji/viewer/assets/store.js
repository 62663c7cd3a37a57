// Where the work on pages is kept: in the browser (IndexedDB) as it is done, and in the folder where `kuzushiji edit` serves it.
const FORMAT = "kuzushiji-corrections-1";

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

class Store {
  // A page of corrections with `dirty`: whether the folder lacks it.
  constructor() {
    this.served = location.protocol.startsWith("http");
    this.folder = new Map(); // what the folder had when it was last asked, by page
    this.memory = new Map(); // where a browser keeps nothing
    this.marks = new Map(); // of the version of each page that this window has seen last
    this.problem = "";
  }

  // The picture decides which page it is, not its name alone.
  key(page) {
    return `${page.sha256}/${page.frame}/${page.page ?? page.name}`;
  }

  async open() {
    try {
      const request = indexedDB.open("kuzushiji", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("pages");
      this.database = await settled(request);
    } catch {
      this.problem = "this browser keeps nothing: download before you leave";
    }
    if (!this.served) return;
    const answer = await fetch("corrections.json");
    const value = answer.ok ? await answer.json() : { pages: [] };
    for (const page of value.pages) this.folder.set(this.key(page), page);
  }

  objects(mode) {
    return this.database.transaction("pages", mode).objectStore("pages");
  }

  async local(page) {
    if (!this.database) return this.memory.get(this.key(page));
    const local = await settled(this.objects("readonly").get(this.key(page)));
    this.marks.set(this.key(page), local?.mark);
    return local;
  }

  // The version that another window was faster than.
  async aside(page) {
    return this.database && settled(this.objects("readonly").get(`${this.key(page)}/mine`));
  }

  // Keeps a page. False where another window has kept a version that this one has not seen: then it is put aside.
  async keep(page) {
    const key = this.key(page), mark = `${Date.now()} ${Math.random()}`;
    if (!this.database) return Boolean(this.memory.set(key, page));
    const objects = this.objects("readwrite"), old = await settled(objects.get(key));
    const newest = !old || old.mark === this.marks.get(key);
    await settled(objects.put({ ...page, mark }, newest ? key : `${key}/mine`));
    if (newest) this.marks.set(key, mark);
    return newest;
  }

  async forgetAside(page) {
    if (this.database) await settled(this.objects("readwrite").delete(`${this.key(page)}/mine`));
  }

  // The newest version of a page and, where another window or the folder has changed it since, this window's own.
  async newest(page) {
    const [local, mine, folder] = [await this.local(page), await this.aside(page), this.folder.get(this.key(page))];
    if (!folder || !local) return { page: folder ?? local, mine };
    if (!local.dirty) return { page: this.served ? folder : local, mine };
    return folder.revision > local.revision ? { page: folder, mine: mine ?? local } : { page: local, mine };
  }

  // Writes a page into the folder. Returns { page } with its new revision, or { refused } with a line that says why.
  async save(page) {
    const { dirty, mark, ...plain } = page, body = JSON.stringify(plain);
    const answer = await fetch(`corrections/${encodeURIComponent(page.page)}`, {
      method: "PUT", headers: { "Content-Type": "application/json" }, body,
      keepalive: body.length < 16_000, // also while the tab is closed; browsers allow 64 kB in all
    }).catch(() => null);
    if (!answer) return { refused: "kuzushiji edit does not answer; the work is kept in this browser" };
    if (!answer.ok) return { refused: (await answer.text()).trim() };
    const saved = { ...plain, revision: (await answer.json()).revision };
    this.folder.set(this.key(saved), saved);
    return { page: saved };
  }

  // corrections.json of all pages of a book that somebody has worked on.
  async corrections(pages, version) {
    const found = [];
    for (const page of pages) {
      const { page: newest } = await this.newest(page);
      if (!newest) continue;
      const { dirty, mark, ...plain } = newest;
      found.push(plain);
    }
    return { format: FORMAT, version, pages: found };
  }

  // Takes over the pages of a file that are of this book; returns how many, and how many are of others.
  async take(value, pages) {
    if (value?.format !== FORMAT || !Array.isArray(value.pages)) throw new Error(`expected a file of ${FORMAT}`);
    const known = new Map(pages.map((page) => [this.key(page), page]));
    const own = value.pages.filter((page) => known.has(this.key(page)));
    for (const page of own) {
      const revision = this.folder.get(this.key(page))?.revision ?? page.revision;
      await this.local(page); // what other windows have kept gives way to the file
      await this.keep({ ...page, revision, dirty: true });
      const saved = this.served && (await this.save({ ...page, revision })).page;
      if (saved) await this.keep({ ...saved, dirty: false });
    }
    return [own.length, value.pages.length - own.length];
  }
}

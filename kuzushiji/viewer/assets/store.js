// Where the work on pages is kept: in the browser (IndexedDB) as it is done, and in the folder where `kuzushiji edit` serves it.
// A page has one version and any number of others: what gives way to another version is put aside, and can be shown again.
const FORMAT = "kuzushiji-corrections-1";

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const committed = (transaction) => new Promise((resolve, reject) => {
  transaction.oncomplete = resolve;
  transaction.onabort = () => reject(transaction.error);
});

const newMark = () => `${Date.now()} ${Math.random()}`;

// A page as corrections.json has it. The browser also notes of a version: `dirty`, the folder lacks it; `base`, the digest of the
// folder's version that it began from; `mark`, its name; `place`, where it is put aside.
const plain = ({ dirty, base, mark, place, ...page }) => page;

const FIELDS = ["box", "code", "char", "role", "column", "doubtful", "by"];
const contentOf = ({ done, characters }) => JSON.stringify([done, characters.map((item) => FIELDS.map((field) => item[field]))]);
const sameContent = (a, b) => contentOf(a) === contentOf(b);
const sameSize = (a, b) => a.width === b.width && a.height === b.height;

const isCharacter = ({ box, code, char, role, column } = {}) =>
  Array.isArray(box) && box.length === 4 && box.every(Number.isFinite) && typeof code === "string" && Number.isInteger(column) &&
  typeof char === "string" && ["text", "furigana", "edge", NO_TEXT].includes(role) && (char !== "" || role === NO_TEXT);
const isPage = (page) =>
  Number.isInteger(page.revision) && typeof page.done === "boolean" && Array.isArray(page.history) &&
  Array.isArray(page.characters) && page.characters.every((item) => isCharacter(item ?? undefined));

class Store {
  constructor() {
    this.served = location.protocol.startsWith("http");
    this.folder = new Map(); // what the folder had when it was last asked, by page
    this.memory = new Map(); // what the browser does not keep
    this.marks = new Map(); // of the version of each page that this window has shown or kept last
    this.window = newMark();
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
    await this.ask().catch((error) => (this.problem = error.message));
  }

  // Asks the folder for its versions.
  async ask() {
    if (!this.served) return;
    const answer = await fetch("corrections.json").catch(() => null);
    if (!answer?.ok) throw new Error(answer ? (await answer.text()).trim() : "kuzushiji edit does not answer");
    const { pages, digests } = await answer.json();
    this.folder = new Map(pages.map((page) => [this.key(page), { ...page, base: digests[page.page] }]));
  }

  // null where the browser keeps nothing, or no longer.
  objects(mode) {
    try {
      return this.database.transaction("pages", mode).objectStore("pages");
    } catch {
      return null;
    }
  }

  // The browser's version of a page, and those that are put aside, the oldest first.
  async versions(page, objects = this.objects("readonly")) {
    const key = this.key(page), places = IDBKeyRange.bound(`${key}/`, `${key}0`, false, true);
    const requests = objects ? [objects.get(key), objects.getAll(places)].map(settled) : [undefined, []];
    const [local, others] = await Promise.all(requests);
    const unkept = [...this.memory].filter(([place]) => place.startsWith(`${key}/`)).map(([, record]) => record);
    return [this.memory.get(key) ?? local, [...others, ...unkept]];
  }

  // Puts records at their places, undefined removes one: all of them, or none, and then they stay in this window.
  async put(records, objects = this.objects("readwrite")) {
    try {
      for (const [place, record] of records) record ? objects.put(record, place) : objects.delete(place);
      await committed(objects.transaction);
      for (const [place] of records) this.memory.delete(place);
    } catch {
      for (const [place, record] of records) record ? this.memory.set(place, record) : this.memory.delete(place);
    }
  }

  aside(page, place = `${this.key(page)}/${newMark()}`) {
    return [place, { ...page, place }];
  }

  // Which of the browser's and the folder's versions is the page; `other` is the browser's where it gives way.
  choose(page, local) {
    const folder = [this.folder.get(this.key(page))].find((found) => found && sameSize(found, page));
    if (!local || !sameSize(local, page)) return { newest: folder, other: local };
    if (!this.served) return { newest: local };
    if (!folder) return local.dirty ? { newest: local } : { other: local }; // it is of another folder, or the file is gone
    if (sameContent(local, folder)) return { newest: folder };
    const isBase = local.base ? local.base === folder.base : local.revision === folder.revision;
    if (local.dirty && isBase) return { newest: local };
    return { newest: folder, other: local.dirty || folder.revision <= local.revision ? local : undefined };
  }

  async newest(page) {
    const [local] = await this.versions(page);
    return this.choose(page, local).newest;
  }

  // The version of a page to show, and the others. The browser's is put aside where it gives way to the folder's.
  async show(page) {
    const key = this.key(page), objects = this.objects("readwrite");
    const [local, others] = await this.versions(page, objects);
    const { newest, other } = this.choose(page, local);
    const mark = other ? newMark() : local?.mark, records = [];
    this.marks.set(key, mark);
    if (other) {
      records.push(this.aside(other), [key, newest && { ...newest, dirty: false, mark }]);
      others.push(records[0][1]);
    }
    await this.put(records, objects);
    return { page: newest, others: others.filter((each) => sameSize(each, page) && !(newest && sameContent(each, newest))) };
  }

  // Keeps a page. False where another window has kept a version that this one has not shown: then it is put aside.
  async keep(page) {
    const key = this.key(page), objects = this.objects("readwrite"), [old] = await this.versions(page, objects);
    const isSame = old && sameContent(old, page), mark = isSame ? old.mark : newMark();
    const isNewest = !old || isSame || old.mark === this.marks.get(key);
    if (isNewest) this.marks.set(key, mark);
    await this.put([isNewest ? [key, { ...page, mark }] : this.aside(page, `${key}/${this.window}`)], objects);
    return isNewest;
  }

  // Of a version that was put aside: older ones have no place of their own.
  async remove(page) {
    await this.put([[page.place ?? `${this.key(page)}/mine`]]);
  }

  // Whether something would be lost with this window.
  get isUnkept() {
    return [...this.memory.values()].some((record) => record.dirty);
  }

  // Writes a page into the folder. Returns { page } with its new revision, or { refused } with a line that says why, and whether
  // the same is refused `again`.
  async save(page) {
    const body = JSON.stringify(plain(page)), headers = { "Content-Type": "application/json" };
    if (page.base) headers["If-Match"] = page.base;
    const answer = await fetch(`corrections/${encodeURIComponent(page.page)}`, {
      method: "PUT", headers, body,
      keepalive: body.length < 16_000, // also while the tab is closed; browsers allow 64 kB in all
    }).catch(() => null);
    if (!answer) return { refused: "kuzushiji edit does not answer; the work is kept in this browser" };
    if (!answer.ok) return { refused: (await answer.text()).trim(), again: answer.status === 409 };
    const { revision, digest } = await answer.json(), saved = { ...plain(page), revision, base: digest };
    this.folder.set(this.key(saved), saved);
    return { page: saved };
  }

  // corrections.json of all pages of a book that somebody has worked on; of the page that is shown, this window's version.
  async corrections(pages, version, shown) {
    const found = [];
    for (const page of pages) {
      const newest = shown?.page === page.name ? shown : await this.newest(page);
      if (newest) found.push(plain(newest));
    }
    return { format: FORMAT, version, pages: found };
  }

  // The pages of a file, by what taking them over would do: `fresh` have no version here, `same` the same, `differ` another one;
  // `strange` are of other books, pictures or sizes, `damaged` are no pages.
  async sort(value, pages) {
    if (value?.format !== FORMAT || !Array.isArray(value.pages)) throw new Error(`expected a file of ${FORMAT}`);
    const known = new Map(pages.map((page) => [this.key(page), page])), found = { fresh: [], same: [], differ: [], strange: [], damaged: [] };
    for (const page of value.pages) {
      const own = page && known.get(this.key(page));
      if (!own || !sameSize(own, page)) found.strange.push(page);
      else if (!isPage(page)) found.damaged.push(page);
      else {
        const newest = await this.newest(own);
        found[!newest ? "fresh" : sameContent(newest, page) ? "same" : "differ"].push(page);
      }
    }
    return found;
  }

  // Takes over a page of a file; the version that was here is put aside. Returns why the folder refused it, if it did.
  async take(page) {
    const { page: newest } = await this.show(page);
    if (newest) await this.put([this.aside(newest)]);
    const record = { ...page, revision: newest?.revision ?? (this.served ? 0 : page.revision), base: newest?.base, dirty: true };
    await this.keep(record);
    if (!this.served) return "";
    const { page: saved, refused } = await this.save(record);
    if (saved) await this.keep({ ...saved, dirty: false });
    return refused;
  }
}

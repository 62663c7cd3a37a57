// A page that is edited: what each edit does to its boxes and lines, undo and redo, and the page as in corrections.json.
// Nothing here touches the document.
const NO_TEXT = "none", UNKNOWN = "〓", LEAST = 4; // pixels: the least width and height of a box
const codeOf = (char) => `U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const center = ([x, y, w, h]) => [x + w / 2, y + h / 2];

// Intersection over union of two boxes x, y, w, h.
const overlap = ([ax, ay, aw, ah], [bx, by, bw, bh]) => {
  const w = Math.min(ax + aw, bx + bw) - Math.max(ax, bx), h = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  return w > 0 && h > 0 ? (w * h) / (aw * ah + bw * bh - w * h) : 0;
};

class Edits {
  // data: models, classes and one page, as the page's script has them. Boxes and lines are changed in place.
  constructor(data) {
    this.page = data.pages[0];
    this.classes = data.classes;
    this.past = [];
    this.future = [];
    for (const box of this.page.boxes) {
      box.role = ["dropped", "missed"].includes(box.kind) ? NO_TEXT : box.role ?? "text";
      box.doubtful = box.kind === "doubtful";
      box.by = "model";
      box.known = ["right", "wrong", "missed"].includes(box.kind) ? box.kind : ""; // where the truth is known
    }
    this.read = this.page.boxes.map((box) => ({ ...box })); // as the models left them
    this.done = false;
  }

  get state() {
    return { boxes: this.page.boxes.map((box) => ({ ...box })), lines: this.page.lines.map((line) => [...line]), done: this.done };
  }

  set state({ boxes, lines, done }) {
    Object.assign(this.page, { boxes: boxes.map((box) => ({ ...box })), lines: lines.map((line) => [...line]) });
    this.done = done;
  }

  // Does something that can be undone.
  change(what) {
    this.past.push(this.state);
    this.future = [];
    const result = what();
    this.tidy();
    return result;
  }

  undo() {
    return this.travel(this.past, this.future);
  }

  redo() {
    return this.travel(this.future, this.past);
  }

  travel(from, to) {
    if (!from.length) return false;
    to.push(this.state);
    this.state = from.pop();
    return true;
  }

  tidy() {
    this.page.lines = this.page.lines.filter((line) => line.length);
    for (const box of this.page.boxes) {
      const own = box.by === "human" ? "corrected" : box.known || "read";
      const empty = own === "missed" ? own : "dropped";
      box.kind = box.role === NO_TEXT ? empty : box.doubtful ? "doubtful" : own;
    }
  }

  box(index) {
    return this.page.boxes[index];
  }

  // Number of the class of a character; new ones are added.
  classOf(char, code = codeOf(char)) {
    const found = this.classes.findIndex(([, other]) => other === code);
    return found < 0 ? this.classes.push([char, code]) - 1 : found;
  }

  // Line and place in it of a box of the text; [-1, -1] for others.
  place(index) {
    const line = this.page.lines.findIndex((members) => members.includes(index));
    return [line, line < 0 ? -1 : this.page.lines[line].indexOf(index)];
  }

  touch(index, values) {
    Object.assign(this.box(index), { by: "human", doubtful: false }, values);
  }

  take(index, number) {
    const wasText = this.box(index).role !== NO_TEXT;
    this.touch(index, { read: number });
    if (!wasText) this.setRole(index, "text");
  }

  // One character, or several: then the box becomes as many.
  type(index, text) {
    const chars = [...text];
    const parts = chars.length > 1 ? this.split(index, chars.length) : [index];
    parts.forEach((part, number) => this.take(part, this.classOf(chars[number])));
  }

  confirm(index) {
    this.touch(index, {});
  }

  doubt(index) {
    this.touch(index, { doubtful: !this.box(index).doubtful });
  }

  // Whole pixels, within the page, not below the least size.
  put(index, [x, y, w, h]) {
    const { width, height } = this.page;
    [w, h] = [Math.min(Math.max(Math.round(w), LEAST), width), Math.min(Math.max(Math.round(h), LEAST), height)];
    const at = [Math.min(Math.max(Math.round(x), 0), width - w), Math.min(Math.max(Math.round(y), 0), height - h), w, h];
    Object.assign(this.box(index), { at, by: "human" });
  }

  add(at) {
    const index = this.page.boxes.push({ read: this.classOf(UNKNOWN), role: "text", candidates: [] }) - 1;
    this.put(index, at);
    this.touch(index, { doubtful: true });
    this.intoLine(index);
    return index;
  }

  remove(index) {
    this.outOfLine(index);
    this.box(index).gone = true;
  }

  split(index, n = 2) {
    const [x, y, w, h] = this.box(index).at;
    const [line, place] = this.place(index);
    const parts = [index];
    for (let part = 1; part < n; part++)
      parts.push(this.page.boxes.push({ ...this.box(index), candidates: [], probability: undefined, read: this.classOf(UNKNOWN) }) - 1);
    parts.forEach((part, number) => {
      this.put(part, [x, y + (number * h) / n, w, h / n]);
      this.touch(part, { doubtful: number > 0 });
    });
    if (line >= 0) this.page.lines[line].splice(place + 1, 0, ...parts.slice(1));
    return parts;
  }

  // With the next one in its column; false where there is none.
  join(index) {
    const [line, place] = this.place(index);
    const next = line < 0 ? undefined : this.page.lines[line][place + 1];
    if (next === undefined) return false;
    const [a, b] = [this.box(index).at, this.box(next).at];
    const [x, y] = [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
    this.put(index, [x, y, Math.max(a[0] + a[2], b[0] + b[2]) - x, Math.max(a[1] + a[3], b[1] + b[3]) - y]);
    this.remove(next);
    return true;
  }

  // One place earlier (-1) or later (1), also into the neighbouring column.
  shift(index, by) {
    const { lines } = this.page;
    const [line, place] = this.place(index);
    if (line < 0) return;
    const inside = place + by >= 0 && place + by < lines[line].length;
    if (!inside && !lines[line + by]) return;
    lines[line].splice(place, 1);
    if (inside) lines[line].splice(place + by, 0, index);
    else if (by > 0) lines[line + 1].unshift(index);
    else lines[line - 1].push(index);
    this.box(index).by = "human";
  }

  // The column goes before (-1) or behind (1) its neighbour.
  shiftColumn(index, by) {
    const { lines } = this.page;
    const [line] = this.place(index);
    if (line >= 0 && lines[line + by]) [lines[line], lines[line + by]] = [lines[line + by], lines[line]];
  }

  // A new column begins with this box.
  breakColumn(index) {
    const [line, place] = this.place(index);
    if (place > 0) this.page.lines.splice(line + 1, 0, this.page.lines[line].splice(place));
  }

  // The column goes on the one before it.
  joinColumns(index) {
    const [line] = this.place(index);
    if (line > 0) this.page.lines[line - 1].push(...this.page.lines.splice(line, 1)[0]);
  }

  // text, furigana or none; a role that a box has already gives way to text.
  setRole(index, role) {
    const box = this.box(index);
    const next = box.role === role ? "text" : role;
    if (next !== "text") this.outOfLine(index);
    else if (box.role !== "text") this.intoLine(index);
    if (next !== NO_TEXT && this.classes[box.read][1] === "seg_fp") box.read = this.classOf(UNKNOWN);
    box.role = next;
    box.by = "human";
    box.doubtful = next !== NO_TEXT && this.classes[box.read][0] === UNKNOWN;
  }

  outOfLine(index) {
    const [line, place] = this.place(index);
    if (line >= 0) this.page.lines[line].splice(place, 1);
  }

  // Into the column that stands where the box does, before the first one whose middle is lower; else a new column.
  intoLine(index) {
    const [x, y] = center(this.box(index).at);
    const { lines } = this.page;
    const middles = lines.map((line) => line.map((other) => center(this.box(other).at)));
    const across = middles.map((line) => line.reduce((sum, [middle]) => sum + middle, 0) / line.length);
    const nearest = across.reduce((best, value, line) => (best < 0 || Math.abs(value - x) < Math.abs(across[best] - x) ? line : best), -1);
    const width = nearest < 0 ? 0 : Math.max(...lines[nearest].map((other) => this.box(other).at[2]), this.box(index).at[2]);
    if (nearest >= 0 && Math.abs(across[nearest] - x) < 0.6 * width) {
      const place = middles[nearest].findIndex(([, middle]) => middle > y);
      lines[nearest].splice(place < 0 ? lines[nearest].length : place, 0, index);
    } else {
      const place = across.findIndex((middle) => middle < x);
      lines.splice(place < 0 ? lines.length : place, 0, [index]);
    }
  }

  // The page's characters as corrections.json has them: the text, furigana by column, the edge, what is no text.
  get characters() {
    const columns = new Map(this.page.lines.flatMap((line, number) => line.map((index) => [index, number])));
    const rest = this.page.boxes.flatMap((box, index) => (box.gone || columns.has(index) ? [] : [index]));
    const sorted = (role, key) => rest.filter((index) => this.box(index).role === role).sort((a, b) => key(a) - key(b));
    const beside = new Map(sorted("furigana", () => 0).map((index) => [index, this.columnBeside(index, columns)]));
    const top = (index) => this.box(index).at[1];
    const furigana = sorted("furigana", (index) => beside.get(index) * 1e7 + top(index));
    return [...columns.keys(), ...furigana, ...sorted("edge", () => 0), ...sorted(NO_TEXT, () => 0)].map((index) => {
      const box = this.box(index), [char, code] = this.classes[box.read], empty = box.role === NO_TEXT;
      return {
        box: box.at.map(Math.round), code: empty ? "seg_fp" : code, char: empty ? "" : char, role: box.role,
        column: columns.get(index) ?? beside.get(index) ?? -1, doubtful: box.doubtful, by: box.by,
      };
    });
  }

  // The column of the nearest character of the text, -1 without any.
  columnBeside(index, columns) {
    const [x, y] = center(this.box(index).at);
    let [best, least] = [-1, Infinity];
    for (const [other, column] of columns) {
      const [ox, oy] = center(this.box(other).at);
      const distance = Math.abs(x - ox) + Math.abs(y - oy) + (x < ox ? this.box(other).at[2] : 0);
      if (distance < least) [best, least] = [column, distance];
    }
    return best;
  }

  // Takes over characters of corrections.json; candidates are those of the model's box at the same place.
  load(characters, done) {
    const lines = [];
    const boxes = characters.map((item, index) => {
      const likeness = this.read.map((box) => overlap(box.at, item.box));
      const best = likeness.reduce((best, value, number) => (value > (likeness[best] ?? 0.5) ? number : best), -1);
      const { candidates, probability, known, truth } = this.read[best] ?? { candidates: [] };
      if (item.role === "text") (lines[Math.max(item.column, 0)] ??= []).push(index);
      const read = item.role === NO_TEXT ? this.classOf("×", "seg_fp") : this.classOf(item.char, item.code);
      return { at: item.box, read, candidates, probability, known, truth, role: item.role, doubtful: item.doubtful, by: item.by };
    });
    this.state = { boxes, lines: lines.filter(Boolean), done };
    this.tidy();
  }
  // Another version of the page: nothing of what was edited before can be undone in it.
  replace(characters, done) {
    this.load(characters, done);
    this.past = [];
    this.future = [];
  }
}

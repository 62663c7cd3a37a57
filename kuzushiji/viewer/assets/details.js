// Before viewer.js in one script.
const STATES = { right: "right", wrong: "wrong", missed: "missed", read: "truth unknown", doubtful: "doubtful", dropped: "no character", corrected: "corrected" };

const element = (name, properties = {}, children = []) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};
const percent = (value) => `${(100 * value).toFixed(value < 0.0995 || value > 0.9995 ? 2 : 1)} %`;

// What is known of one box of a page.
class Details {
  // node: where it is shown; names: the models and classes, to which boxes refer by number.
  constructor(node, names) {
    this.node = node;
    this.names = names;
    this.showsSingle = false;
    this.states = STATES;
  }

  // page: as in the data; index: of the box, -1 for none.
  show(page, index) {
    this.page = page;
    if (index < 0) {
      const hint = page.boxes.length ? "Point at a box to see what it was read as." : "Nothing was read on this page.";
      this.node.replaceChildren(element("p", { textContent: hint }));
      return;
    }
    const box = page.boxes[index];
    const [char, code] = this.names.classes[box.read];
    const state = element("span", { className: `state ${box.kind}`, textContent: this.states[box.kind] });
    const head = element("h3", {}, [
      this.crop(box), element("span", { className: "glyph", textContent: char, lang: "ja" }), element("span", { textContent: code }), state,
    ]);
    this.node.replaceChildren(head, this.facts(box), this.models(box));
  }

  // The box cut out of the page and enlarged.
  crop(box) {
    const [x, y, w, h] = box.at;
    const scale = 64 / Math.max(w, h, 1);
    const picture = element("img", { src: this.page.image, alt: "" });
    Object.assign(picture.style, {
      width: `${this.page.width * scale}px`, left: `${-x * scale}px`, top: `${-y * scale}px`,
    });
    const frame = element("span", { className: "crop" }, [picture]);
    Object.assign(frame.style, { width: `${w * scale}px`, height: `${h * scale}px` });
    return frame;
  }

  facts(box) {
    const rows = [];
    if (box.probability !== undefined) rows.push(["probability", percent(box.probability)]);
    if (box.kind === "wrong" || box.truth !== undefined) {
      const truth = box.truth === undefined ? "no character" : this.names.classes[box.truth].join(" ");
      rows.push(["truth", truth]);
      if (box.kind === "wrong" && box.truth === box.read) {
        rows.push(["wrong since", "its point is not inside the true box, or another box has that character"]);
      }
    }
    if (box.why) rows.push(["missed since", box.why]);
    return element("dl", {}, rows.flatMap(([term, value]) => [
      element("dt", { textContent: term }), element("dd", { textContent: value, lang: term === "truth" ? "ja" : "" }),
    ]));
  }

  models(box) {
    const none = element("p", { textContent: "No model proposes anything here." });
    if (!box.candidates.length) return box.kind === "missed" ? none : element("div");
    const table = this.table(box.candidates, box, "Best candidates of each model");
    const parts = box.single ? [table, this.single(box)] : [table];
    return element("div", { className: "viewer-models" }, parts);
  }

  table(candidates, box, name) {
    const rows = candidates.map(([model, bests]) => element("tr", {}, [
      element("th", { scope: "row", textContent: this.names.models[model] }),
      ...bests.map(([best, probability]) => this.candidate(best, probability, box)),
    ]));
    const table = element("table", {}, [element("tbody", {}, rows)]);
    table.setAttribute("aria-label", name);
    return table;
  }

  // The models that the others are blends of; once opened they stay open from box to box.
  single(box) {
    const table = this.table(box.single, box, "Best candidates of each single model");
    const part = element("details", { open: this.showsSingle }, [element("summary", { textContent: "Single models" }), table]);
    part.addEventListener("toggle", () => (this.showsSingle = part.open));
    return part;
  }

  candidate(best, probability, box) {
    const [char, code] = this.names.classes[best];
    const cell = element("td", { title: code }, [
      element("b", { textContent: char, lang: "ja" }), element("span", { textContent: percent(probability) }),
    ]);
    if (best === box.truth) cell.classList.add("true");
    return cell;
  }
}

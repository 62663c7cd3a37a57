// What can be done to the selected box: key, name, group, and what it does to the editor (e) and the box's number (i).
// `quiet` commands change nothing that could be undone.
const COMMANDS = [
  { key: "Enter", name: "Right as it is, next", group: "Character", run: (e, i) => e.edit("confirmed", () => e.edits.confirm(i), e.after(i)) },
  { key: "t", name: "Type a character", group: "Character", quiet: true, run: (e) => e.input.focus() },
  { key: "d", name: "Doubtful", group: "Character", run: (e, i) => e.edit("doubtful or not", () => e.edits.doubt(i)) },
  { key: "f", name: "Furigana", group: "Character", run: (e, i) => e.edit("furigana or text", () => e.edits.setRole(i, "furigana")) },
  { key: "x", name: "No text", group: "Character", run: (e, i) => e.edit("no text or text", () => e.edits.setRole(i, NO_TEXT)) },
  { key: "a", name: "Add a box", group: "Box", alone: true, run: (e) => e.startAdding() },
  { key: "Delete", name: "Delete", group: "Box", run: (e, i) => e.edit("deleted", () => e.edits.remove(i), e.after(i)) },
  { key: "s", name: "Split", group: "Box", run: (e, i) => e.edit("split", () => e.edits.split(i)) },
  { key: "j", name: "Join with the next", group: "Box", run: (e, i) => e.edit("joined", () => e.edits.join(i)) },
  { key: "[", name: "Earlier", group: "Order", run: (e, i) => e.edit("one place earlier", () => e.edits.shift(i, -1)) },
  { key: "]", name: "Later", group: "Order", run: (e, i) => e.edit("one place later", () => e.edits.shift(i, 1)) },
  { key: "c", name: "New column from here", group: "Order", run: (e, i) => e.edit("a new column begins", () => e.edits.breakColumn(i)) },
  { key: "v", name: "Join with the column before", group: "Order", run: (e, i) => e.edit("columns joined", () => e.edits.joinColumns(i)) },
  { key: "{", name: "Column earlier", group: "Order", run: (e, i) => e.edit("column earlier", () => e.edits.shiftColumn(i, -1)) },
  { key: "}", name: "Column later", group: "Order", run: (e, i) => e.edit("column later", () => e.edits.shiftColumn(i, 1)) },
];

// With Shift the arrows move a box, with Alt they change its size: [x, y, w, h] in steps.
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOST_CANDIDATES = 9;

// The details of a box with what can be done to it.
class EditDetails extends Details {
  constructor(node, names, editor) {
    super(node, names);
    this.editor = editor;
    this.states = { ...STATES, read: "as read", dropped: "no text" };
  }

  models(box) {
    const best = this.editor.candidates(box);
    const list = element("ol", { className: "viewer-take" }, best.map(([number, probability], place) => {
      const [char, code] = this.names.classes[number];
      const button = element("button", { type: "button", title: code }, [
        element("kbd", { textContent: place + 1 }), element("b", { textContent: char, lang: "ja" }), percent(probability),
      ]);
      button.dataset.candidate = place;
      button.setAttribute("aria-pressed", String(number === box.read));
      button.setAttribute("aria-label", `Take ${char}, ${percent(probability)}`);
      return element("li", {}, [button]);
    }));
    list.setAttribute("aria-label", "Candidates");
    return list;
  }
}

// The buttons of all commands, by group.
const commandButtons = () => {
  const groups = [...new Set(COMMANDS.map((command) => command.group))];
  return groups.map((group) => {
    const buttons = COMMANDS.filter((command) => command.group === group).map((command) => {
      const button = element("button", { type: "button" }, [command.name, " ", element("kbd", { textContent: command.key })]);
      button.dataset.command = command.key;
      button.setAttribute("aria-keyshortcuts", command.key);
      return button;
    });
    return element("fieldset", {}, [element("legend", { textContent: group }), ...buttons]);
  });
};

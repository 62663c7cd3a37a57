// What mouse, pen and fingers do on the page: move and size the selected box, draw a new one, pan, zoom.
const CORNERS = ["nw", "ne", "sw", "se"], STEADY = 4; // screen pixels that a click may move
const WIDEST = 800, NARROWEST = 50; // zoom in percent

class Pointer {
  constructor(editor) {
    this.editor = editor;
    const { sheet, page } = editor;
    sheet.addEventListener("pointerdown", (event) => this.down(event));
    sheet.addEventListener("pointermove", (event) => this.move(event));
    sheet.addEventListener("pointerup", (event) => this.up(event));
    sheet.addEventListener("pointercancel", () => this.stop());
    page.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    page.addEventListener("touchstart", (event) => this.pinch(event), { passive: false });
    page.addEventListener("touchmove", (event) => this.pinch(event), { passive: false });
  }

  // Pixels of the page under a pointer.
  at(event) {
    const frame = this.editor.image.getBoundingClientRect();
    const scale = this.editor.content.width / frame.width;
    return [(event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale];
  }

  down(event) {
    if (event.button !== 0) return;
    const { editor } = this, index = editor.indexOf(event.target), corner = event.target.dataset.corner;
    const own = corner || (index >= 0 && index === editor.selected);
    const kind = editor.adding ? "add" : corner ? "size" : own ? "move" : index < 0 && event.pointerType === "mouse" ? "pan" : "";
    if (!kind) return;
    this.drag = { kind, corner, from: this.at(event), last: [event.clientX, event.clientY], far: false };
    this.drag.box = kind === "add" ? null : editor.content.boxes[editor.selected]?.at;
    editor.sheet.setPointerCapture?.(event.pointerId);
    if (kind === "add") event.preventDefault();
  }

  move(event) {
    const { drag, editor } = this;
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.last[0], event.clientY - drag.last[1]];
    if (!drag.far && Math.hypot(dx, dy) < STEADY) return;
    drag.far = true;
    if (drag.kind === "pan") {
      editor.page.scrollBy(-dx, -dy);
      drag.last = [event.clientX, event.clientY];
      return;
    }
    drag.to = this.box(event);
    editor.outline(drag.to, drag.kind === "add" ? -1 : editor.selected);
  }

  // The box that the drag makes.
  box(event) {
    const { from, box, kind, corner } = this.drag, [x, y] = this.at(event);
    if (kind === "add") return [Math.min(x, from[0]), Math.min(y, from[1]), Math.abs(x - from[0]), Math.abs(y - from[1])];
    const [dx, dy] = [x - from[0], y - from[1]];
    if (kind === "move") return [box[0] + dx, box[1] + dy, box[2], box[3]];
    const [west, north] = [corner.endsWith("w"), corner.startsWith("n")];
    const [w, h] = [Math.max(box[2] + (west ? -dx : dx), LEAST), Math.max(box[3] + (north ? -dy : dy), LEAST)];
    return [west ? box[0] + box[2] - w : box[0], north ? box[1] + box[3] - h : box[1], w, h];
  }

  up() {
    const { drag, editor } = this;
    this.stop();
    if (!drag?.far || !drag.to) return;
    editor.dragged = true; // the click that follows is the end of the drag
    setTimeout(() => (editor.dragged = false));
    if (drag.kind === "add") editor.addBox(drag.to);
    else editor.edit(drag.kind === "move" ? "moved" : "another size", () => editor.edits.put(editor.selected, drag.to));
  }

  stop() {
    this.drag = null;
    this.editor.outline(null);
  }

  // With Ctrl, as a touchpad's pinch is sent, the wheel zooms; without it scrolls.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(this.editor.percents * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }

  pinch(event) {
    if (event.touches.length !== 2) return void (this.spread = 0);
    event.preventDefault();
    this.drag = null;
    const [a, b] = event.touches;
    const spread = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    if (this.spread) this.zoom((this.editor.percents * spread) / this.spread, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
    this.spread = spread;
  }

  // What is under the pointer stays there.
  zoom(percents, clientX, clientY) {
    const { page, editor } = { page: this.editor.page, editor: this.editor };
    const [x, y] = this.at({ clientX, clientY });
    editor.zoom(Math.min(Math.max(percents, NARROWEST), WIDEST));
    const frame = editor.image.getBoundingClientRect();
    const scale = frame.width / editor.content.width;
    page.scrollBy(frame.left + x * scale - clientX, frame.top + y * scale - clientY);
  }
}

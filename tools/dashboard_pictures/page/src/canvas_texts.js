// Records the texts that graphs draw into canvas elements, because the document lacks them.

const FROM_START = { left: 0, start: 0, center: 0.5, right: 1, end: 1 };

/** Record texts from now on. Return a map from a canvas to its texts, with their positions. */
export function recordCanvasTexts() {
  const texts = new WeakMap();
  const prototype = CanvasRenderingContext2D.prototype;
  const { clearRect, fillText } = prototype;
  prototype.clearRect = function (...box) {
    texts.delete(this.canvas);
    return clearRect.apply(this, box);
  };
  prototype.fillText = function (text, x, y, ...others) {
    const {
      width,
      actualBoundingBoxAscent: up,
      actualBoundingBoxDescent: down,
    } = this.measureText(text);
    const corner = (dx, dy) => new DOMPoint(x + dx, y + dy).matrixTransform(this.getTransform());
    const left = -FROM_START[this.textAlign] * width;
    const corners = [corner(left, -up), corner(left + width, down)];
    const list = texts.get(this.canvas) ?? [];
    list.push({ text: String(text), color: this.fillStyle, corners });
    texts.set(this.canvas, list);
    return fillText.call(this, text, x, y, ...others);
  };
  return texts;
}

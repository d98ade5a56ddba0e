/** The numbers of a graph as a table in its own place, newest first: scrolls inside, so the page stays as it is. */
export class GraphTable {
  #area;
  #box = null;
  #title;
  #figure;

  constructor(figure, area, title) {
    this.#figure = figure;
    this.#area = area;
    this.#title = title;
  }

  get isShown() {
    return Boolean(this.#box && !this.#box.hidden);
  }

  toggle(isShown) {
    if (isShown && !this.#box) this.#make();
    if (this.#box) this.#box.hidden = !isShown;
    this.#area.hidden = isShown;
  }

  /** Cells change in place, so that a place that was scrolled to and a selection stay. */
  fill(heads, rows) {
    const table = this.#box.firstElementChild;
    if (!table.tHead) {
      const line = table.createTHead().insertRow();
      for (const head of heads) line.append(cell("th", head, { scope: "col" }));
    }
    const body = table.tBodies[0] ?? table.createTBody();
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((values, place) => {
      const line = body.rows[place] ?? body.insertRow();
      values.forEach((value, column) => {
        const shown = line.cells[column] ?? line.appendChild(cell(column ? "td" : "th", "", column ? {} : { scope: "row" }));
        if (shown.textContent !== value) shown.textContent = value;
      });
    });
  }

  #make() {
    this.#box = document.createElement("div");
    this.#box.className = "graph-table";
    this.#box.tabIndex = 0;
    this.#box.setAttribute("role", "region");
    this.#box.setAttribute("aria-label", `${this.#title}, as a table`);
    this.#box.append(Object.assign(document.createElement("table"), { className: "table dense" }));
    this.#figure.append(this.#box);
  }
}

function cell(tag, text, attributes) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** What was shown before, for undo and redo. */
export class Undo {
  #past = [];
  #future = [];
  #now = null;

  /** The state that is shown; a new one clears what could be redone. */
  record(state) {
    if (this.#now !== null && same(this.#now, state)) return;
    if (this.#now !== null) this.#past.push(this.#now);
    if (this.#past.length > 200) this.#past.shift();
    this.#future = [];
    this.#now = state;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** @returns the state before, or null. */
  undo() {
    if (!this.canUndo) return null;
    this.#future.push(this.#now);
    this.#now = this.#past.pop();
    return this.#now;
  }

  /** @returns the state that was undone last, or null. */
  redo() {
    if (!this.canRedo) return null;
    this.#past.push(this.#now);
    this.#now = this.#future.pop();
    return this.#now;
  }
}

/** Whether two states of plain values are equal. */
export function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

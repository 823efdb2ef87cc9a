// What is remembered of an engine's running batch: each sentence as a bar, from when it was given rows to when it left,
// in lanes as many as it has rows. Rows of the batch move when others leave; a bar stays where it is.

const MOST_BARS = 2000;
const RATE_MILLISECONDS = 1500; // over which joining, leaving and writing is counted

// The gateway's list of a sentence's numbers.
const named = ([id, rows, reservedRows, sourceTokens, outputTokens, isBulk, submitted, joined, left]) => ({
  id, rows, reservedRows, sourceTokens, outputTokens, isBulk: Boolean(isBulk), submitted, joined, left,
});

export class Track {
  bars = new Map();
  #lanes = []; // until when each is taken
  #counted = [];
  #offset = -Infinity; // of the server's clock from this page's

  // Take the newest state of the batch, which came at a time on this page's clock, and remember what ended in the last
  // `span` milliseconds.
  take(batch, at, span) {
    if (batch.joined < (this.#counted.at(-1)?.joined ?? 0)) this.#beginAnew(); // another engine in its place
    this.model = batch.model;
    this.version = batch.version;
    this.engine = batch.engine;
    this.now = batch.milliseconds;
    this.maxRows = batch.maxRows;
    this.waiting = batch.waiting;
    this.#offset = Math.max(this.#offset, batch.milliseconds - at); // the least that a state was on its way
    this.running = batch.runningSentences.map(named);
    this.next = batch.nextSentences.map(named);
    const told = new Map([...this.running, ...batch.leftSentences.map(named)].map((one) => [one.id, one]));
    for (const bar of this.bars.values()) if (!bar.isOver) this.#goOn(bar, told.get(bar.id));
    const come = [...told.values()].filter(({ id }) => !this.bars.has(id));
    for (const one of come.sort((a, b) => a.joined - b.joined)) this.#begin(one);
    this.#forget(this.now - span);
    this.#count(batch);
  }

  // The time on the server's clock that it is now.
  clockAt(at) {
    return at + this.#offset;
  }

  get rows() {
    return this.running.reduce((sum, { rows }) => sum + rows, 0);
  }

  get longestWait() {
    return Math.max(0, ...this.next.map(({ submitted }) => this.now - submitted));
  }

  get numLanes() {
    return Math.max(0, ...Array.from(this.bars.values(), ({ lane, height }) => lane + height));
  }

  // A second: sentences that joined and that left, tokens that were written.
  get rates() {
    const [first, last] = [this.#counted[0], this.#counted.at(-1)];
    const seconds = (last.at - first.at) / 1000;
    const rate = (name) => (seconds ? (last[name] - first[name]) / seconds : 0);
    return { joined: rate("joined"), left: rate("left"), tokens: rate("tokens") };
  }

  #beginAnew() {
    this.bars.clear();
    this.#lanes = [];
    this.#counted = [];
  }

  // One that is told of no more left as one of very many.
  #goOn(bar, one) {
    bar.isOver = !one || one.left > 0;
    bar.to = one?.left || this.now;
    if (bar.isOver) this.#lanes.fill(bar.to, bar.lane, bar.lane + bar.height);
  }

  #begin({ id, reservedRows, isBulk, joined, left }) {
    let lane = 0;
    const isFree = () => this.#lanes.slice(lane, lane + reservedRows).every((until) => until <= joined);
    while (!isFree()) lane += 1;
    const isOver = left > 0;
    for (let row = lane; row < lane + reservedRows; row += 1) this.#lanes[row] = isOver ? left : Infinity;
    this.bars.set(id, { id, lane, height: reservedRows, isBulk, isOver, from: joined, to: isOver ? left : this.now });
  }

  #forget(before) {
    let surplus = this.bars.size - MOST_BARS;
    for (const bar of this.bars.values()) {
      if (bar.isOver && (bar.to < before || surplus > 0)) this.bars.delete(bar.id);
      surplus -= 1;
    }
  }

  #count({ milliseconds: at, joined, left, outputTokens: tokens }) {
    this.#counted.push({ at, joined, left, tokens });
    while (this.#counted.length > 2 && this.#counted[1].at < at - RATE_MILLISECONDS) this.#counted.shift();
  }
}

// The WebSocket: one question at a time, and what the server tells of it.

const AGAIN = 1000;           // ms until a lost link is tried again

const LINES = {
  connecting: "connecting…",
  ready: "",
  working: "working…",
  waiting: "something else is being worked out; this is next",
  lost: "the link is lost; connecting again…",
};

// `handlers`: hello(message), answer(answer), state(name, words); states are those of LINES, and
// done, wrong and failed.
export class Link {
  constructor(handlers) {
    this.handlers = handlers;
    this.number = 0;
    this.connect();
  }

  get open() { return this.socket.readyState === WebSocket.OPEN; }

  connect() {
    const socket = new WebSocket(`ws://${location.host}/socket${location.search}`);
    this.socket = socket;
    this.tell("connecting");
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = (event) => {
      this.tell("lost", event.reason ? `${event.reason}; connecting again…` : LINES.lost);
      setTimeout(() => this.connect(), AGAIN);
    };
  }

  ask(settings) {
    if (!this.open) return;
    this.number += 1;
    this.tell("working");
    this.say({ type: "ask", number: this.number, settings });
  }

  stop() {
    this.number += 1;         // what is on its way is of the question before
    if (this.open) this.say({ type: "stop" });
    this.tell("ready");
  }

  say(message) { this.socket.send(JSON.stringify(message)); }

  hear(message) {
    if (message.type === "hello") {
      this.handlers.hello(message);
      this.tell("ready");
    } else if (message.number === this.number) {
      if (message.type === "answer") {
        this.tell("working");
        this.handlers.answer(message.answer);
      } else {
        this.tell(message.type, message.words);
      }
    }
  }

  tell(state, words) { this.handlers.state(state, words ?? LINES[state] ?? ""); }
}

export const $ = (id) => document.getElementById(id);

export const busy = () => ["working", "waiting"].includes(document.body.dataset.state);

// Show a state: the line, the button that runs, and the page's own attribute, which styles it.
export function showState(state, words) {
  document.body.dataset.state = state;
  $("line").textContent = words;
  $("run").disabled = state === "connecting" || state === "lost";
  $("run").textContent = busy() ? "Stop" : "Run";
}

export function element(name, attributes = {}, parent = null) {
  const svg = ["svg", "g", "path", "rect", "circle", "line", "polyline", "text", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  parent?.append(made);
  return made;
}

// An input of type range with the number that it is set to.
export function range(id, changed = () => {}) {
  const input = $(id);
  const show = () => { $(`${id}-is`).textContent = input.value; };
  input.addEventListener("input", () => { show(); changed(Number(input.value)); });
  show();
  return { get value() { return Number(input.value); }, limit([least, greatest]) { input.min = least; input.max = greatest; show(); } };
}

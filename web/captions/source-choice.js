import { listMicrophones, onDevicesChanged, Problem } from "../lib/index.js";
import { byId } from "../lib/elements.js";
import { fromMicrophone, fromPlayer, fromTab } from "./sources.js";

/** @typedef {"microphone" | "tab" | "file"} SourceKind */

/** @type {readonly SourceKind[]} */
const KINDS = ["microphone", "tab", "file"];

/** The choice of what is captioned. */
export class SourceChoice {
  #fields = byId("sources", HTMLFieldSetElement);
  #device = byId("device", HTMLSelectElement);
  #files = byId("file", HTMLInputElement);
  #player = byId("player", HTMLAudioElement);

  constructor() {
    this.#fields.addEventListener("change", () => this.#show());
    this.#files.addEventListener("change", () => this.#load());
    onDevicesChanged(() => void this.listDevices());
    this.#show();
    void this.listDevices();
  }

  /** @returns {SourceKind} */
  get kind() {
    const value = this.#checked("source");
    return KINDS.find((kind) => kind === value) ?? "microphone";
  }

  /** Whether a file is captioned as a whole, faster than it plays. */
  get isWholeFile() {
    return this.kind === "file" && this.#checked("pace") === "fast";
  }

  /** @returns {File} throws a `Problem` */
  get file() {
    const file = this.#files.files?.[0];
    if (!file) throw new Problem("no_file", "No file was chosen.", "Choose a recording first.");
    return file;
  }

  /** @param {boolean} isLocked  while one is in use */
  lock(isLocked) {
    this.#fields.disabled = isLocked;
  }

  /**
   * @param {import("../lib/index.js").AudioEngine} audio  for a file: unlocked
   * @returns {Promise<import("./sources.js").Source>} throws a `Problem`
   */
  open(audio) {
    switch (this.kind) {
      case "tab":
        return fromTab();
      case "file":
        return fromPlayer(audio.context, this.#player);
      default:
        return fromMicrophone(this.#device.value);
    }
  }

  /** List the microphones; they have names once one was opened. */
  async listDevices() {
    const held = this.#device.value;
    const named = (await listMicrophones()).filter((device) => device.label && device.deviceId !== "default");
    this.#device.replaceChildren(
      new Option("Default microphone", ""),
      ...named.map((device) => new Option(device.label, device.deviceId)),
    );
    if (named.some((device) => device.deviceId === held)) this.#device.value = held;
  }

  #load() {
    const file = this.#files.files?.[0];
    URL.revokeObjectURL(this.#player.src);
    if (file) this.#player.src = URL.createObjectURL(file);
    else this.#player.removeAttribute("src");
    this.#show();
  }

  #show() {
    for (const kind of KINDS) byId(`${kind}-options`, HTMLElement).hidden = kind !== this.kind;
    const plays = this.kind === "file" && !this.isWholeFile && this.#player.hasAttribute("src");
    if (!plays) this.#player.pause();
    this.#player.hidden = !plays;
  }

  /** @param {string} name  of radio buttons */
  #checked(name) {
    return this.#fields.querySelector(`input[name=${name}]:checked`)?.getAttribute("value") ?? "";
  }
}

/** A text field that grows with its lines. Enter sends, Shift+Enter begins a line. Too long a text is not sent and not cut. */

const MAX_CHARACTERS = 8000;
const COMPOSING = 229; // key code of Enter that ends the composition of a character, where `isComposing` does not tell

export class TextBox {
  #field;
  #note;
  #send;

  /**
   * @param {HTMLTextAreaElement} field
   * @param {HTMLElement} note  says that a text is too long
   * @param {(text: string) => void} send  takes what was written
   */
  constructor(field, note, send) {
    this.#field = field;
    this.#note = note;
    this.#send = send;
    field.addEventListener("input", () => this.fit());
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === COMPOSING) return;
      event.preventDefault();
      this.submit();
    });
  }

  /** Send what was written, unless it is nothing or too long. */
  submit() {
    const text = this.#field.value.trim();
    if (this.#tooLong) return this.#field.focus();
    this.#field.value = "";
    this.fit();
    if (text) this.#send(text);
  }

  /** Make the field as high as its text, up to what its style allows. */
  fit() {
    const { style, value } = this.#field;
    style.height = "auto";
    const frame = this.#field.offsetHeight - this.#field.clientHeight;
    style.height = `${this.#field.scrollHeight + frame}px`;
    this.#field.ariaInvalid = String(this.#tooLong);
    this.#note.hidden = !this.#tooLong;
    this.#note.textContent = this.#tooLong ? `Too long to send: ${value.length} of ${MAX_CHARACTERS} characters` : "";
  }

  get #tooLong() {
    return this.#field.value.length > MAX_CHARACTERS;
  }
}

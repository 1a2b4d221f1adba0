/**
 * An EventTarget with typed events. Each is a CustomEvent; listeners of `on` get its `detail`.
 *
 * @template {Record<string, any>} Events  detail by event type
 */
export class Emitter extends EventTarget {
  /**
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {(detail: Events[Type]) => void} listener
   * @returns {() => void} removes the listener
   */
  on(type, listener) {
    /** @param {Event} event */
    const wrapped = (event) => listener(/** @type {CustomEvent} */ (event).detail);
    this.addEventListener(type, wrapped);
    return () => this.removeEventListener(type, wrapped);
  }

  /**
   * @template {keyof Events & string} Type
   * @param {Type} type
   * @param {Events[Type]} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /**
   * Emit the events of another emitter, too.
   *
   * @template {keyof Events & string} Type
   * @param {Emitter<Pick<Events, Type>>} source
   * @param {...Type} types
   */
  forward(source, ...types) {
    for (const type of types) source.on(type, (detail) => this.emit(type, detail));
  }
}

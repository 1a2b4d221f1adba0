/**
 * Fill a list of choices.
 *
 * @param {HTMLSelectElement} select
 * @param {readonly {value: string, text: string, unusable?: boolean}[]} choices
 * @param {string} chosen  remains a choice even if it is not in the list
 */
export function showChoices(select, choices, chosen) {
  const known = choices.some(({ value }) => value === chosen);
  const all = known ? choices : [...choices, { value: chosen, text: `${chosen} (unavailable)` }];
  select.replaceChildren(
    ...all.map(({ value, text, unusable = false }) => {
      const option = new Option(text, value);
      option.disabled = unusable;
      return option;
    }),
  );
  select.value = chosen;
}

// Search by example: the list of sounds, the chosen one, and what lies nearest to it in each order.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const { names, labels, labelNames, colours, pictures, audio, orders } = data;
  const play = soundPlayer(audio);
  const panel = document.getElementById('chosen');
  const filter = document.getElementById('filter');
  const buttons = [...document.querySelectorAll('[data-clip]')];

  const element = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const picture = (index) => element('img', { src: pictures[index], alt: '' });
  const labelOf = (index) => {
    const dot = element('i', {});
    dot.style.background = colours[labels[index]];
    return element(
      'span',
      { className: 'label quiet' },
      dot,
      element('bdi', { textContent: labelNames[labels[index]] }),
    );
  };

  /** Marks what is heard. */
  function hear(index, card, then) {
    for (const other of panel.querySelectorAll('.playing')) other.classList.remove('playing');
    card?.classList.add('playing');
    play(index, () => {
      card?.classList.remove('playing');
      then?.();
    });
  }

  function card(index) {
    const sound = element('button', { type: 'button', className: 'sound', ariaLabel: `Play ${names[index]}` });
    sound.append(picture(index));
    const from = element('button', { type: 'button', className: 'from', title: 'Search from here' });
    from.append(element('bdi', { textContent: names[index] }));
    const node = element('li', { className: 'card' }, sound, from, labelOf(index));
    sound.disabled = !audio[index];
    sound.addEventListener('click', () => hear(index, node));
    from.addEventListener('click', () => choose(index, true));
    return node;
  }

  function order({ title, nearest }, chosen) {
    const cards = nearest[chosen].map(card);
    const same = nearest[chosen].filter((i) => labels[i] === labels[chosen]).length;
    const all = element('button', { type: 'button', textContent: '▶ one after the other' });
    all.addEventListener('click', () => {
      const next = (i) => {
        if (i < cards.length) hear(nearest[chosen][i], cards[i], () => next(i + 1));
      };
      next(0);
    });
    const count = `${same} of ${cards.length} have its label`;
    return element(
      'div',
      { className: 'order' },
      element('h3', {}, `Nearest by ${title} `, element('span', { className: 'quiet', textContent: count })),
      all,
      element('ol', {}, ...cards),
    );
  }

  function choose(index, sounding) {
    for (const [i, button] of buttons.entries()) button.setAttribute('aria-current', String(i === index));
    const again = element('button', { type: 'button', className: 'sound', ariaLabel: 'Play again' }, picture(index));
    const head = element('div', { className: 'card big' }, again);
    head.append(element('h2', {}, element('bdi', { textContent: names[index] })), labelOf(index));
    again.disabled = !audio[index];
    again.addEventListener('click', () => hear(index, head));
    panel.replaceChildren(head, ...orders.map((one) => order(one, index)));
    if (sounding) hear(index, head);
  }

  for (const [i, button] of buttons.entries()) button.addEventListener('click', () => choose(i, true));
  filter.addEventListener('input', () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const [i, button] of buttons.entries()) {
      const text = `${names[i]} ${labelNames[labels[i]]}`.toLowerCase();
      button.parentNode.hidden = !text.includes(wanted);
    }
  });
  document.getElementById('random').addEventListener('click', () => {
    const shown = buttons.flatMap((button, i) => (button.parentNode.hidden ? [] : [i]));
    if (shown.length) choose(shown[Math.floor(Math.random() * shown.length)], true);
  });
  choose(0, false);
})();

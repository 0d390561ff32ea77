// What moves in a report: loss charts (uPlot) and the map of clips. Strings reach the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Losses --------------------------------------------------------------------------------------------------------
  const charts = [];

  function seriesStyle({ label, kind }, nth) {
    const dashes = [[], [8, 4], [2, 3]][nth % 3];
    const common = { label, spanGaps: true, points: { show: false } };
    const format = (_, value) => (value == null ? '–' : value.toPrecision(4));
    switch (kind) {
      case 'raw':
        return { ...common, value: format, stroke: () => `${css('--training')}66`, width: 1 };
      case 'smooth':
        return { ...common, value: format, stroke: () => css('--training'), width: 2, dash: dashes };
      case 'held-out':
        return {
          ...common,
          value: format,
          stroke: () => css('--held-out'),
          width: 2.5,
          dash: dashes,
          points: { show: true, size: 6, fill: () => css('--held-out') },
        };
      default:
        return {
          ...common,
          value: format,
          stroke: () => css('--reference'),
          width: 1.5,
          dash: [
            [6, 4],
            [2, 3],
          ][nth % 2],
        };
    }
  }

  function drawLosses(element, plot) {
    const counts = {};
    const series = plot.series.map((s) => {
      counts[s.kind] = counts[s.kind] ?? -1;
      counts[s.kind]++;
      return seriesStyle(s, counts[s.kind]);
    });
    const axis = (label, size) => ({
      label,
      labelSize: 22,
      size,
      labelFont: '13px system-ui, sans-serif',
      font: '12px system-ui, sans-serif',
      stroke: () => css('--quiet'),
      grid: { stroke: () => css('--line'), width: 1 },
      ticks: { stroke: () => css('--line'), width: 1 },
    });
    const options = {
      width: element.clientWidth,
      height: 340,
      scales: { x: { time: false } },
      series: [{ label: 'step' }, ...series],
      axes: [axis('training step', 36), axis(plot.unit, 56)],
      cursor: { points: { size: 7 } },
      hooks: { draw: [(chart) => nameReferences(chart, plot)] },
    };
    charts.push({ element, chart: new uPlot(options, plot.columns, element) });
  }

  /** Names on the dashed lines themselves: nobody should have to match dashes with a legend. */
  function nameReferences(chart, plot) {
    const { ctx, bbox } = chart;
    ctx.save();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = 'right';
    ctx.textBaseline = 'bottom';
    ctx.fillStyle = css('--reference');
    plot.series.forEach(({ label, kind }, i) => {
      const y = kind === 'reference' && chart.series[i + 1].show && chart.valToPos(plot.columns[i + 1][0], 'y', true);
      if (y >= bbox.top && y <= bbox.top + bbox.height) {
        ctx.fillText(label, bbox.left + bbox.width - 6, y - 2 * devicePixelRatio);
      }
    });
    ctx.restore();
  }

  for (const element of document.querySelectorAll('.loss-chart')) {
    drawLosses(element, data.losses[Number(element.dataset.chart)]);
  }
  const redraw = () => {
    for (const { element, chart } of charts) chart.setSize({ width: element.clientWidth, height: 340 });
  };
  addEventListener('resize', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  addEventListener('beforeprint', redraw);

  // Map -----------------------------------------------------------------------------------------------------------
  if (!data.map) return;
  const { names, labels, audio, neighbours } = data.map;
  const play = soundPlayer(audio);
  const plot = document.getElementById('map-plot');
  const links = document.getElementById('map-links');
  const ring = document.getElementById('map-ring');
  const tip = document.getElementById('tip');
  const panel = document.getElementById('clip');
  const marks = [];
  for (const mark of plot.querySelectorAll('[data-point]')) marks[Number(mark.dataset.point)] = mark;
  const someSilent = audio.some((a) => a === null);
  marks.forEach((mark, i) => {
    mark.classList.toggle('has-audio', someSilent && audio[i] !== null);
  });
  const place = (index) => {
    const { e, f } = marks[index].transform.baseVal.consolidate().matrix;
    return [e, f];
  };
  const svg = (name, attributes) => {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const element = (name, properties, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };
  const shown = (index) => !marks[index].parentNode.hasAttribute('hidden');
  let chosen = -1;

  function icon(index) {
    const node = svg('svg', { viewBox: '-1.5 -1.5 3 3', 'aria-hidden': 'true' });
    const fill = marks[index].parentNode.getAttribute('fill');
    node.append(svg('path', { d: marks[index].getAttribute('d'), fill }));
    return node;
  }

  function choose(index) {
    chosen = index;
    const near = neighbours[index].filter((n) => shown(n.index));
    plot.classList.add('chosen');
    marks.forEach((mark, i) => {
      mark.classList.toggle('picked', i === index);
      mark.classList.toggle(
        'near',
        near.some((n) => n.index === i),
      );
    });
    const [x, y] = place(index);
    ring.setAttribute('cx', x);
    ring.setAttribute('cy', y);
    ring.removeAttribute('hidden');
    links.replaceChildren(
      ...near.map((n) => {
        const [x2, y2] = place(n.index);
        return svg('line', { x1: x, y1: y, x2, y2 });
      }),
    );
    const list = near.map((n) => {
      const button = element('button', { type: 'button', title: names[n.index] }, icon(n.index));
      button.append(element('bdi', { textContent: names[n.index] }));
      button.append(element('span', { className: 'quiet', textContent: n.distance.toFixed(2) }));
      button.addEventListener('click', () => hear(n.index));
      return element('li', {}, button);
    });
    const head = element('h3', {}, element('bdi', { textContent: names[index] }));
    const label = element('p', { className: 'quiet' }, element('bdi', { textContent: labels[index] }));
    const again = element('button', { type: 'button', className: 'play', textContent: '▶ play' });
    again.addEventListener('click', () => play(index));
    const noAudio = element('p', { className: 'quiet', textContent: 'Its audio is not in this report.' });
    panel.replaceChildren(head, label, audio[index] ? again : noAudio);
    if (list.length) {
      panel.append(element('p', { className: 'quiet', textContent: 'Nearest clips, with their distance:' }));
      panel.lastChild.style.margin = '16px 0 0';
      panel.append(element('ol', {}, ...list));
    }
  }

  function hear(index) {
    choose(index);
    play(index);
  }

  function clear() {
    chosen = -1;
    plot.classList.remove('chosen');
    ring.setAttribute('hidden', '');
    links.replaceChildren();
    panel.replaceChildren(element('p', { className: 'quiet', textContent: 'No clip chosen.' }));
    for (const mark of marks) mark.classList.remove('near', 'picked');
  }

  plot.addEventListener('pointermove', (event) => {
    const index = event.target.dataset?.point;
    tip.hidden = index === undefined;
    if (tip.hidden) return;
    tip.textContent = `${names[index]} · ${labels[index]}`;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${left}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
  plot.addEventListener('pointerleave', () => {
    tip.hidden = true;
  });
  plot.addEventListener('click', (event) => {
    const index = event.target.dataset?.point;
    if (index === undefined) clear();
    else hear(Number(index));
  });

  /** The nearest shown clip in the direction of an arrow key. */
  function walk(dx, dy) {
    const candidates = [...marks.keys()].filter(shown);
    if (chosen < 0) return candidates[0];
    const [x, y] = place(chosen);
    let best;
    let least = Number.POSITIVE_INFINITY;
    for (const i of candidates) {
      const [px, py] = place(i);
      const along = (px - x) * dx + (py - y) * dy;
      const across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (i === chosen || along <= 0 || across > 2 * along) continue;
      if (along + 2 * across < least) [best, least] = [i, along + 2 * across];
    }
    return best;
  }
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  plot.addEventListener('keydown', (event) => {
    const arrow = arrows[event.key];
    if (arrow) {
      const next = walk(...arrow);
      if (next !== undefined) choose(next);
    } else if (event.key === 'Enter' && chosen >= 0) {
      play(chosen);
    } else if (event.key === 'Escape') {
      clear();
    } else {
      return;
    }
    event.preventDefault();
  });

  for (const button of document.querySelectorAll('.legend button')) {
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      const group = plot.querySelector(`g[data-label="${button.dataset.label}"]`);
      group.toggleAttribute('hidden', !on);
      if (chosen >= 0) {
        if (shown(chosen)) choose(chosen);
        else clear();
      }
    });
  }
})();

// The moving tract: sound, time and drawings that follow it. Strings reach the page as text, never as markup.
(() => {
  const clips = JSON.parse(document.getElementById('data').textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // µ-law, see toMuLaw in audio-clips.ts.
  function decode(text) {
    const bytes = atob(text);
    return Float32Array.from(bytes, (c) => {
      const code = c.charCodeAt(0);
      const magnitude = (256 ** ((code & 127) / 127) - 1) / 255;
      return code & 128 ? -magnitude : magnitude;
    });
  }

  let audio;
  let playing;

  function stop() {
    playing?.source.stop();
    if (playing) playing.button.setAttribute('aria-pressed', 'false');
    playing = undefined;
  }

  function play(view, which, button) {
    const again = playing?.button === button;
    stop();
    if (again) return;
    audio ??= new AudioContext();
    audio.resume();
    const samples = decode(view.clip[which]);
    const from = view.time >= view.clip.seconds - 0.05 ? 0 : view.time;
    const buffer = audio.createBuffer(1, samples.length, 16000);
    buffer.copyToChannel(samples, 0);
    const source = audio.createBufferSource();
    source.buffer = buffer;
    source.connect(audio.destination);
    source.start(0, from);
    playing = { source, button, view, began: audio.currentTime - from };
    button.setAttribute('aria-pressed', 'true');
    requestAnimationFrame(follow);
  }

  function follow() {
    if (!playing) return;
    const { view, began } = playing;
    const time = audio.currentTime - began;
    if (time >= view.clip.seconds) {
      show(view, view.clip.seconds);
      stop();
      return;
    }
    show(view, time);
    requestAnimationFrame(follow);
  }

  /** Value of a parameter at a time, linear between frames. */
  function at(clip, name, time) {
    const column = clip.columns[name];
    const x = Math.min(column.length - 1, Math.max(0, time / clip.hopSeconds));
    const i = Math.min(column.length - 1, Math.floor(x));
    const next = column[Math.min(column.length - 1, i + 1)];
    return column[i] + (next - column[i]) * (x - i);
  }

  function context(canvas) {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) {
      canvas.width = width * ratio;
      canvas.height = height * ratio;
    }
    const g = canvas.getContext('2d');
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = '12px system-ui, sans-serif';
    return { g, width, height };
  }

  /** The tube, glottis left, lips right, as wide as its radii; what sounds in it as a glow. */
  function drawTube(canvas, clip, time) {
    const { g, width, height } = context(canvas);
    const names = Object.keys(clip.columns).filter((n) => /^radius\d+$/.test(n));
    const radii = names.map((n) => at(clip, n, time));
    const [left, right, middle] = [64, width - 64, height / 2 - 6];
    const scale = (height / 2 - 22) / 1.8;
    const shown = right - left;
    const x = (i) => left + (shown * i) / (radii.length - 1);
    g.beginPath();
    radii.forEach((r, i) => {
      if (i === 0) g.moveTo(x(0), middle - r * scale);
      else g.lineTo(x(i), middle - r * scale);
    });
    for (let i = radii.length - 1; i >= 0; i--) g.lineTo(x(i), middle + radii[i] * scale);
    g.closePath();
    const level = (n) => (clip.columns[n] ? at(clip, n, time) : 0);
    const voice = Math.min(1, level('voicing'));
    g.globalAlpha = 0.15 + 0.6 * voice;
    g.fillStyle = css('--accent');
    g.fill();
    g.globalAlpha = 1;
    g.lineWidth = 2;
    g.strokeStyle = css('--ink');
    g.stroke();
    const hiss = Math.min(1, 2 * level('frication'));
    if (hiss > 0.05) {
      const place = left + (shown * level('fricationPlace')) / 16;
      g.globalAlpha = hiss;
      g.fillStyle = css('--poor');
      g.beginPath();
      g.arc(place, middle, 6 + 14 * hiss, 0, 2 * Math.PI);
      g.fill();
      g.globalAlpha = 1;
    }
    g.fillStyle = css('--quiet');
    g.textAlign = 'right';
    g.fillText('glottis', left - 8, middle + 4);
    g.textAlign = 'left';
    g.fillText('lips', right + 8, middle + 4);
    g.textAlign = 'center';
    const pitch = clip.columns.f0 && voice > 0.1 ? ` · ${Math.round(at(clip, 'f0', time))} Hz` : '';
    g.fillText(`${clip.length.toFixed(1)} cm${pitch}`, width / 2, height - 4);
  }

  /** All parameters but radii: areas for levels, a line for pitch; of other processes a line each. */
  function drawCurves(canvas, clip, time) {
    const { g, width, height } = context(canvas);
    const colours = { voicing: '--accent', aspiration: '--second', frication: '--poor', f0: '--ink' };
    const known = clip.parameters.filter((p) => p.name in colours);
    const list = clip.length === null || known.length === 0 ? clip.parameters : known;
    const rows = clip.columns[list[0].name].length;
    const x = (i) => (width * i * clip.hopSeconds) / clip.seconds;
    // Names above the curves, in as many lines as the width asks for.
    const columns = Math.max(1, Math.min(list.length, Math.floor(width / 150)));
    const top = 14 * Math.ceil(list.length / columns);
    list.forEach(({ name, low, high, unit }, k) => {
      const y = (v) => height - 4 - (height - top - 6) * Math.min(1, Math.max(0, (v - low) / (high - low)));
      g.strokeStyle = css(colours[name] ?? ['--accent', '--poor', '--ink', '--second'][k % 4]);
      g.lineWidth = name === 'f0' ? 2 : 1.5;
      g.beginPath();
      let down = false;
      for (let i = 0; i < rows; i++) {
        const silent = name === 'f0' && clip.columns.voicing && clip.columns.voicing[i] < 0.1;
        const [px, py] = [x(i), y(clip.columns[name][i])];
        if (silent) down = false;
        else if (down) g.lineTo(px, py);
        else {
          g.moveTo(px, py);
          down = true;
        }
      }
      g.stroke();
      g.fillStyle = g.strokeStyle;
      g.textAlign = 'left';
      g.fillText(
        `${name} ${at(clip, name, time).toPrecision(3)} ${unit}`,
        4 + (width / columns) * (k % columns),
        11 + 14 * Math.floor(k / columns),
      );
    });
    g.fillStyle = css('--quiet');
    g.fillRect((width * time) / clip.seconds, top, 1, height - top);
  }

  function show(view, time) {
    const { clip, section } = view;
    view.time = time;
    section.querySelector('input').value = String(Math.round((1000 * time) / clip.seconds));
    section.querySelector('.time').textContent = `${time.toFixed(2)} s`;
    for (const cursor of section.querySelectorAll('.cursor')) cursor.style.left = `${(100 * time) / clip.seconds}%`;
    const tube = section.querySelector('.tube');
    if (tube) drawTube(tube, clip, time);
    drawCurves(section.querySelector('.curves'), clip, time);
  }

  const views = [...document.querySelectorAll('.tract-clip')].map((section) => {
    const view = { section, clip: clips[Number(section.dataset.clip)], time: 0 };
    for (const button of section.querySelectorAll('[data-play]')) {
      button.addEventListener('click', () => play(view, button.dataset.play, button));
    }
    const slider = section.querySelector('input');
    slider.addEventListener('input', () => {
      stop();
      show(view, (Number(slider.value) / 1000) * view.clip.seconds);
    });
    for (const spectrum of section.querySelectorAll('.spectrum')) {
      const cursor = document.createElement('div');
      cursor.className = 'cursor';
      spectrum.append(cursor);
      spectrum.addEventListener('click', (event) => {
        stop();
        const box = spectrum.getBoundingClientRect();
        show(view, ((event.clientX - box.left) / box.width) * view.clip.seconds);
      });
    }
    show(view, 0);
    return view;
  });
  addEventListener('resize', () => {
    for (const view of views) show(view, view.time);
  });
})();

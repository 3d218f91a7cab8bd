// What moves in a report: sorting, the choice of rows and variants, and the charts. The page reads without it.
(function () {
  'use strict';
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById('report-data').textContent);
  root.classList.add('scripted');

  // Tables that sort.

  function sortValue(row, column) {
    const cell = row.cells[column];
    const value = cell && cell.dataset.value;
    return value === undefined || value === '' ? null : Number(value);
  }

  function sortTable(header, descending) {
    const table = header.closest('table');
    const column = header.cellIndex;
    table.querySelectorAll('th[aria-sort]').forEach((other) => other.removeAttribute('aria-sort'));
    header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const body = table.tBodies[0];
    Array.from(body.rows)
      .map((row, place) => ({row, place, value: sortValue(row, column)}))
      .sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null) || a.place - b.place;
        return (descending ? b.value - a.value : a.value - b.value) || a.place - b.place;
      })
      .forEach((entry) => body.appendChild(entry.row));
  }

  document.querySelectorAll('th[data-sort]').forEach((header) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener('click', () => {
      const now = header.getAttribute('aria-sort');
      sortTable(header, now ? now === 'ascending' : header.dataset.sort === 'descending');
    });
  });
  // Without a script rows as reported stand first; with one the reader chooses them, and all are in one order.
  document.querySelectorAll('th[data-sorted]').forEach((header) => {
    sortTable(header, header.dataset.sorted === 'descending');
  });

  // Which rows of the leaderboard are shown.

  const rowChoice = document.getElementById('row-choice');
  function chooseRows() {
    document.querySelectorAll('#leaderboard-table tbody tr').forEach((row) => {
      row.hidden = rowChoice.value !== 'all' && row.dataset.kind !== rowChoice.value;
    });
  }
  if (rowChoice) {
    rowChoice.addEventListener('change', chooseRows);
    chooseRows();
  }

  // Charts.

  if (typeof Chart === 'undefined') return;
  const dashes = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const points = ['circle', 'rect', 'triangle', 'rectRot', 'crossRot', 'star', 'cross', 'dash'];
  const hidden = new Set();
  const charts = [];
  const still = {animation: false, responsive: true, maintainAspectRatio: false};

  function colour(name) {
    return getComputedStyle(root).getPropertyValue('--' + name).trim();
  }
  function seriesColour(variant) {
    return colour('series-' + (variant % 8));
  }
  // Beyond eight variants the colours come again with another dash.
  function dash(variant) {
    return dashes[Math.floor(variant / 8) % dashes.length];
  }

  function axis(title, more) {
    return Object.assign({
      title: {display: true, text: title, color: colour('muted')},
      ticks: {color: colour('muted')},
      grid: {color: colour('line')},
    }, more);
  }

  /// Builds a chart, and builds it again when the colours or what is shown change.
  function addChart(id, configure) {
    const canvas = document.getElementById(id);
    if (!canvas) return;
    const entry = {canvas, configure, chart: null};
    entry.draw = () => {
      if (entry.chart) entry.chart.destroy();
      entry.chart = new Chart(canvas, configure());
    };
    charts.push(entry);
    entry.draw();
  }
  function redraw() {
    charts.forEach((entry) => entry.draw());
  }

  function lineSet(variant, label, values, thin) {
    return {
      label, data: values, variant,
      borderColor: seriesColour(variant), backgroundColor: seriesColour(variant), borderDash: dash(variant),
      borderWidth: thin ? 1.25 : 2, pointStyle: points[variant % points.length],
      pointRadius: thin ? 0 : 3, pointHoverRadius: 5, tension: 0,
    };
  }

  function lineOptions(x, y, digits) {
    return Object.assign({}, still, {
      interaction: {mode: 'nearest', intersect: false},
      plugins: {
        legend: {display: false},
        tooltip: {
          callbacks: {
            title: (items) => items.length ? x.title.text + ' ' + items[0].parsed.x : '',
            label: (item) => item.dataset.label + ': ' + Number(item.parsed.y.toPrecision(digits)),
          },
        },
      },
      scales: {x, y},
    });
  }

  // Recall over k.

  const recallRow = document.getElementById('recall-row');
  function recallChart(direction) {
    return () => {
      const row = recallRow ? recallRow.value : (data.recall.rows[0] || '');
      const sets = data.recall.curves
        .filter((curve) => curve.row === row && !hidden.has(curve.variant))
        .map((curve) => lineSet(curve.variant, data.variants[curve.variant],
          curve[direction].map((value, i) => ({x: data.recall.k[i], y: value}))));
      const marks = [1, 2, 5, 10, 20, 50, 100];
      return {
        type: 'line',
        data: {datasets: sets},
        options: lineOptions(
          axis('k', {
            type: 'logarithmic', min: 1, max: data.recall.k[data.recall.k.length - 1],
            afterBuildTicks: (scale) => { scale.ticks = marks.filter((k) => k <= scale.max).map((value) => ({value})); },
            ticks: {color: colour('muted'), callback: (value) => String(value)},
          }),
          axis('recall@k, %', {beginAtZero: true}), 4),
      };
    };
  }
  if (data.recall.curves.length) {
    addChart('recall-i2t', recallChart('i2t'));
    addChart('recall-t2i', recallChart('t2i'));
    if (recallRow) recallRow.addEventListener('change', redraw);
  }

  // Training.

  const trainingSeries = document.getElementById('training-series');
  function trainingChart(pick) {
    return () => {
      const name = pick();
      const sets = data.training
        .filter((run) => run.series[name] && !hidden.has(run.variant))
        .map((run) => {
          const values = run.epoch.map((epoch, i) => ({x: epoch, y: run.series[name][i]})).filter((at) => at.y !== null);
          const set = lineSet(run.variant, run.name, values, true);
          // The epoch that was selected on the validation split.
          set.pointRadius = values.map((at) => at.x === run.best ? 4 : 0);
          return set;
        });
      const logarithmic = name.startsWith('loss') && sets.length > 0 && sets.every((set) => set.data.every((at) => at.y > 0));
      return {
        type: 'line',
        data: {datasets: sets},
        options: lineOptions(
          axis('epoch', {type: 'linear', ticks: {color: colour('muted'), precision: 0}}),
          axis(name, {
            type: logarithmic ? 'logarithmic' : 'linear',
            ticks: {color: colour('muted'), maxTicksLimit: 8, callback: (value) => String(Number(value.toPrecision(6)))},
          }), 5),
      };
    };
  }
  if (data.training.length) {
    addChart('training-left', trainingChart(() => trainingSeries ? trainingSeries.value : 'loss'));
    addChart('training-right', trainingChart(() => 'validation mR'));
    if (trainingSeries) trainingSeries.addEventListener('change', redraw);
  }

  // Differences to the baseline.

  const deltaRow = document.getElementById('delta-row');
  function deltaChart() {
    const row = deltaRow ? deltaRow.value : (data.deltas.length ? data.deltas[0].row : '');
    const shown = data.deltas.filter((delta) => delta.row === row && !hidden.has(delta.variant));
    const signed = (value) => (value > 0 ? '+' : '') + value.toFixed(2);
    const canvas = document.getElementById('delta-chart');
    canvas.parentNode.style.height = (shown.length * 2.1 + 4.5) + 'rem';
    return {
      type: 'bar',
      data: {
        labels: shown.map((delta) => data.variants[delta.variant]),
        datasets: [
          {
            type: 'scatter', label: 'difference',
            data: shown.map((delta) => ({x: delta.difference, y: data.variants[delta.variant]})),
            // Filled: significant; hollow: not.
            pointStyle: 'circle', pointRadius: 6, pointHoverRadius: 7, pointBorderWidth: 2,
            pointBorderColor: shown.map((delta) => seriesColour(delta.variant)),
            pointBackgroundColor: shown.map((delta) => delta.significant === false ? colour('page') : seriesColour(delta.variant)),
          },
          {
            label: 'interval', data: shown.map((delta) => [delta.low, delta.high]),
            backgroundColor: shown.map((delta) => seriesColour(delta.variant)), barThickness: 3, borderSkipped: false,
          },
        ],
      },
      options: Object.assign({}, still, {
        indexAxis: 'y',
        plugins: {
          legend: {display: false},
          tooltip: {
            callbacks: {
              title: (items) => items.length ? data.variants[shown[items[0].dataIndex].variant] : '',
              label: (item) => {
                const delta = shown[item.dataIndex];
                return signed(delta.difference) + ' [' + signed(delta.low) + ', ' + signed(delta.high) + ']';
              },
            },
          },
        },
        scales: {
          x: axis(data.deltaMetric + ' less ' + data.baseline + ', points', {
            grid: {
              color: (context) => context.tick && context.tick.value === 0 ? colour('ink') : colour('line'),
              lineWidth: (context) => context.tick && context.tick.value === 0 ? 1.5 : 1,
            },
            grace: '5%',
          }),
          y: axis('', {title: {display: false}, type: 'category', ticks: {color: colour('ink'), autoSkip: false}, grid: {display: false}}),
        },
      }),
    };
  }
  if (data.deltas.length) {
    addChart('delta-chart', deltaChart);
    if (deltaRow) deltaRow.addEventListener('change', redraw);
  }

  // One legend in several places: a checkbox hides a variant everywhere.

  const shapes = {
    circle: '<circle cx="15" cy="6" r="3.5"/>', rect: '<rect x="12" y="3" width="6" height="6"/>',
    triangle: '<path d="M15 2l4 7h-8z"/>', rectRot: '<path d="M15 1.5l4.5 4.5-4.5 4.5-4.5-4.5z"/>',
    crossRot: '<path d="M12 3l6 6m0-6l-6 6" fill="none" stroke-width="2"/>',
    star: '<path d="M15 2v8m-4-4h8m-6.8-2.8l5.6 5.6m0-5.6l-5.6 5.6" fill="none" stroke-width="1.2"/>',
    cross: '<path d="M15 2v8m-4-4h8" fill="none" stroke-width="2"/>', dash: '<path d="M15 6h5" stroke-width="3"/>',
  };
  function fillLegend(place) {
    const title = document.createElement('legend');
    title.textContent = data.noun;
    place.append(title);
    data.variants.forEach((name, variant) => {
      const label = document.createElement('label');
      const box = document.createElement('input');
      box.type = 'checkbox';
      box.checked = true;
      box.dataset.variant = variant;
      const swatch = document.createElement('span');
      swatch.innerHTML = '<svg width="30" height="12" viewBox="0 0 30 12" aria-hidden="true">' +
        '<g style="stroke:var(--series-' + variant % 8 + ');fill:var(--series-' + variant % 8 + ')">' +
        '<path d="M0 6h30" stroke-width="2" stroke-dasharray="' + dash(variant).join(' ') + '"/>' +
        shapes[points[variant % points.length]] + '</g></svg>';
      label.append(box, swatch, document.createTextNode(name));
      place.append(label);
      box.addEventListener('change', () => {
        if (box.checked) hidden.delete(variant); else hidden.add(variant);
        document.querySelectorAll('.legend input').forEach((other) => {
          if (Number(other.dataset.variant) === variant) other.checked = box.checked;
        });
        redraw();
      });
    });
  }
  document.querySelectorAll('.legend').forEach(fillLegend);

  // Dark, light and paper.

  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  const opened = [];
  window.addEventListener('beforeprint', () => {
    root.dataset.paper = '';
    document.querySelectorAll('details:not([open])').forEach((one) => { one.open = true; opened.push(one); });
    redraw();
    charts.forEach((entry) => entry.chart.resize());
  });
  window.addEventListener('afterprint', () => {
    delete root.dataset.paper;
    opened.splice(0).forEach((one) => { one.open = false; });
    redraw();
  });
})();

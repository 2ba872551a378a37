/* Reports wait in localStorage until the hub has them on its disk (204); a repeat counts once. */
(function (fz) {
  'use strict';

  var MOST = 500;
  var BATCH = 100;
  var queue = fz.store.get('reports') || [];
  var busy = false;
  var failures = 0;
  var timer = 0;
  var counter = 0;

  function make(event, card, more) {
    counter += 1;
    return Object.assign({
      report_id: fz.page + '-' + counter.toString(36),
      event: event,
      card: card,
      at: fz.clock.now(),
      visible: document.visibilityState,
      viewport: [window.innerWidth, window.innerHeight]
    }, more || {});
  }

  function add(event, card, more) {
    queue.push(make(event, card, more));
    if (queue.length > MOST) queue.splice(0, queue.length - MOST);
    fz.store.put('reports', queue);
    flush();
  }

  /* A sign of life: worth nothing later, so it is never kept. */
  function alive(card, duration) {
    flush([make('alive', card, { duration_ms: duration, offset_ms: fz.clock.offset() })]);
  }

  function again() {
    failures += 1;
    clearTimeout(timer);
    timer = setTimeout(flush, Math.min(30000, 1000 * Math.pow(2, failures - 1)) * (0.5 + Math.random() / 2));
  }

  function flush(extra) {
    var now = Array.isArray(extra) ? extra : [];
    if (busy || (queue.length === 0 && now.length === 0)) return;
    busy = true;
    var sent = queue.slice(0, BATCH - now.length);
    var from = performance.now();
    fz.request('report', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ reports: sent.concat(now) }),
      keepalive: true
    }, 30000).then(function (answer) {
      busy = false;
      if (answer.status === 401) {
        fz.link.unauthorised();
        if (sent.length > 0) again();
        return;
      }
      /* 400 and 413 will never be taken: keeping them would block what comes after. */
      if (answer.status !== 204 && answer.status !== 400 && answer.status !== 413) {
        if (sent.length > 0) again();
        return;
      }
      failures = 0;
      var hub = Number(answer.headers.get('X-Fz-Now'));
      if (hub > 0) fz.clock.sample(from, performance.now(), hub);
      queue = queue.slice(sent.length);
      fz.store.put('reports', queue);
      if (queue.length > 0) flush();
    }, function () {
      busy = false;
      if (sent.length > 0) again();
    });
  }

  fz.reports = { add: add, alive: alive, flush: function () { flush(); }, waiting: function () { return queue.length; } };
})(window.fz);

/* The line to the hub: one event stream down, re-made whenever it is closed, mute or half dead. */
(function (fz) {
  'use strict';

  var OPEN_WITHIN = 10000;
  var ASK_EVERY = 3600000;
  var SHUT_OUT = 3;
  var MARKS = { offline: '○', refused: '◇', key: '◆', duplicate: '◎', clock: '△' };

  var source = null;
  var open = false;
  var openTimer = 0;
  var redial = 0;
  var attempts = 0;
  var unauthorised = 0;
  var heardAt = performance.now();
  var polledAt = 0;
  var aliveAt = 0;
  var asking = null;
  var told = {};
  var marks = {};

  function mark(name, on) {
    marks[name] = on;
    document.getElementById('mark').textContent = Object.keys(MARKS).filter(function (one) {
      return marks[one];
    }).map(function (one) { return MARKS[one]; }).join('');
  }

  /* asked: what was shown when this was asked for. The stream may overtake such an answer, which is
     then old and harmless. */
  function offer(offered, asked) {
    var judged = fz.trust.judge(offered);
    if (judged.refused === 'sequence' && asked < fz.show.sequence()) return;
    if (judged.refused) {
      /* Signed by our hub, and newer than this page can read: fetch the page that can. */
      if (judged.refused === 'format' && judged.page) fz.show.renew(judged.page);
      refuse(judged.refused);
      return;
    }
    mark('refused', false);
    mark('key', false);
    var document_ = judged.document;
    if (document_.sequence === fz.show.sequence()) return;
    fz.clock.issued(document_.issued_at);
    fz.trust.accept(offered, document_);
    fz.show.adopt(document_);
  }

  function refuse(reason) {
    var foreign = reason === 'key' || reason === 'key:none';
    mark(foreign ? 'key' : 'refused', true);
    if (foreign) fz.show.blank();
    if (performance.now() - (told[reason] || -60000) < 60000) return;
    told[reason] = performance.now();
    fz.reports.add('refused', '', { reason: reason });
  }

  /* Shut out: nothing of the hub stays up, and the hub now answers this address with a code. */
  function rejected() {
    unauthorised += 1;
    if (unauthorised < SHUT_OUT) return;
    close();
    unauthorised = 0;
    fz.show.blank();
    location.reload();
  }

  /* Ask for the whole state; the answer also tells the time and whether we are still enrolled.
     Gives whether there was one. */
  function refresh(within) {
    if (asking !== null) return asking;
    polledAt = performance.now();
    var sent = performance.now();
    var asked = fz.show.sequence();
    var told = false;
    asking = fz.request('state', {}, within || 10000).then(function (answer) {
      if (answer.status === 401) rejected();
      if (answer.status !== 200) return null;
      unauthorised = 0;
      return answer.json();
    }).then(function (body) {
      if (body !== null) {
        told = true;
        fz.clock.sample(sent, performance.now(), body.now);
        mark('clock', Math.abs(fz.clock.offset()) > 60000);
        offer(body.state, asked);
      }
    }).catch(function (failed) {
      fz.lastLinkError = String(failed);
    }).then(function () {
      asking = null;
      return told;
    });
    return asking;
  }

  function close() {
    clearTimeout(openTimer);
    clearTimeout(redial);
    if (source !== null) source.close();
    source = null;
    open = false;
  }

  function later(wait) {
    clearTimeout(redial);
    redial = setTimeout(connect, wait);
  }

  function lost() {
    close();
    mark('offline', true);
    attempts += 1;
    var wait = Math.max(300, Math.random() * Math.min(30000, 1000 * Math.pow(2, attempts - 1)));
    refresh().then(function () { later(wait); });
  }

  function heard() {
    heardAt = performance.now();
  }

  function expectOpen() {
    clearTimeout(openTimer);
    openTimer = setTimeout(lost, OPEN_WITHIN);
  }

  function on(name, then) {
    var mine = source;
    mine.addEventListener(name, function (event) {
      if (mine !== source) return;
      heard();
      then(JSON.parse(event.data));
    });
  }

  function connect() {
    close();
    source = new EventSource('stream?page=' + fz.page);
    expectOpen();
    source.onopen = function () {
      clearTimeout(openTimer);
      open = true;
      attempts = 0;
      unauthorised = 0;
      heard();
      mark('offline', false);
      mark('duplicate', false);
      refresh();
      fz.show.alive();
    };
    source.onerror = function () {
      open = false;
      mark('offline', true);
      if (source.readyState === 2) lost();
      else expectOpen();
    };
    on('state', function (state) { offer(state); });
    on('hb', function (beat) {
      fz.clock.bound(beat.now);
      if (beat.v > fz.show.sequence()) refresh();
    });
    on('bye', function () {
      close();
      mark('offline', true);
      later(1000 + Math.random() * 1500);
    });
    on('displaced', function () {
      close();
      mark('duplicate', true);
      later(60000 + Math.random() * 30000);
    });
    on('gone', function () {
      unauthorised = SHUT_OUT - 1;
      lost();
    });
  }

  /* Once a second: a stream without a heartbeat is dead, however open it looks. */
  function watch() {
    var perf = performance.now();
    var beat = fz.show.heartbeat();
    if (open && perf - heardAt > 3 * beat) {
      mark('offline', true);
      connect();
    } else if (perf - polledAt > (open ? ASK_EVERY : 60000) && (open || perf - heardAt > 30000)) {
      refresh();
    }
    if (fz.clock.isSuspect()) mark('clock', true);
    if (open && perf - aliveAt > 2 * beat) {
      aliveAt = perf;
      fz.show.alive();
    }
  }

  fz.link = {
    connect: connect, offer: offer, refresh: refresh, unauthorised: rejected, watch: watch,
    isOpen: function () { return open; }
  };
})(window.fz);

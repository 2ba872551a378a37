/* Which card has the screen, until when, and for how long it was seen. */
(function (fz) {
  'use strict';

  var CUT = 700;
  var LONGEST_WAIT = 10000;
  var AHEAD = 2;
  var SAFE = {
    id: 'safe', kind: 'safe', version: 0, severity: 'info', priority: -1, locale: 'zh-CN', drill: false, proof: false,
    title: '转账之前，停一停', lines: ['叫您转钱又叫您保密的，是骗子', '先问工作人员，或拨打 96110'], footer: '报警 110'
  };

  var state = null;
  var current = null;
  var turns = {};
  var wanting = null;
  var timer = 0;
  var keptFor = '';

  function live(cards, now) {
    return cards.filter(function (card) { return card.not_before <= now && now < card.not_after; });
  }

  /* Highest priority, then the newest, then the name. */
  function order(overrides, now) {
    return live(overrides, now).sort(function (one, other) {
      return other.priority - one.priority || other.version - one.version || (one.id < other.id ? -1 : 1);
    });
  }

  /* Nothing is shown on a word that may be wrong: of an old state, or by a clock that went back. */
  function isTrusted(now) {
    return state !== null && now < state.not_after && !fz.clock.isSuspect();
  }

  function idle(now) {
    return fz.playlist.cards(state.playlist).concat(live(state.rolling, now));
  }

  function dwell(card) {
    if (card.kind === 'override') return Math.max(8000, card.min_show_ms);
    if (card.kind !== 'idle') return 0;
    if (card.media) return is(card) && current.ended ? 0 : card.media.show_ms;
    var length = (card.title + card.lines.join('')).length;
    var reading = 1000 + 350 * length * (/^en/.test(card.locale) ? 0.3 : 1);
    if (card.audience === 'elderly') reading *= 1.5;
    return Math.max(8000, card.min_show_ms, reading);
  }

  function is(card) {
    return current !== null && current.card.id === card.id && current.card.version === card.version &&
      (current.card.media || {}).file === (card.media || {}).file;
  }

  function byTurn(one, other) {
    return (turns[one.id] || 0) - (turns[other.id] || 0);
  }

  /* Equals take turns: whoever is on stays for its dwell, then the one that waited longest. */
  function takeTurn(group, perf) {
    var mine = group.filter(is)[0];
    if (mine && (group.length === 1 || perf < current.since + dwell(mine))) return mine;
    return group.filter(function (card) { return card !== mine; }).reduce(function (best, card) {
      return byTurn(card, best) < 0 ? card : best;
    });
  }

  /* What will be on soon is fetched now; what is not there yet is passed over. */
  function prepared(cards) {
    var mine = cards.filter(is);
    var next = cards.filter(function (card) { return !is(card); }).sort(byTurn);
    fz.media.want(mine.concat(next.filter(function (card) { return card.media; }).slice(0, AHEAD)));
    return cards.filter(fz.media.isReady);
  }

  function pick(now, perf) {
    if (!isTrusted(now)) return SAFE;
    var overrides = order(state.overrides, now);
    var ready = prepared(idle(now));
    if (overrides.length === 0) return ready.length === 0 ? SAFE : takeTurn(ready, perf);
    var top = takeTurn(overrides.filter(function (card) { return card.priority === overrides[0].priority; }), perf);
    return mayCut(top, ready, now, perf) ? top : current.card;
  }

  /* Below the cutting priority a warning lets the running card end, for ten seconds at most. */
  function mayCut(top, ready, now, perf) {
    if (top.priority >= CUT || current === null || is(top)) return true;
    if (current.card.kind !== 'idle' && current.card.kind !== 'override') return true;
    if (current.card.priority === top.priority) return true;
    var there = order(state.overrides, now).concat(ready).some(is);
    if (!there) return true;
    if (wanting === null || wanting.id !== top.id) wanting = { id: top.id, since: perf };
    return perf >= Math.min(current.since + dwell(current.card), wanting.since + LONGEST_WAIT);
  }

  function pause() {
    if (current === null || current.from === null) return;
    fz.ledger.add(current.card.id, performance.now() - current.from);
    current.from = null;
  }

  function settle(now) {
    var held = {};
    if (state !== null) state.overrides.concat(state.rolling).forEach(function (card) { held[card.id] = card; });
    fz.ledger.settle(now, held, function (id) {
      if (current !== null && current.card.id === id) pause();
    });
  }

  function painted(mine, reason) {
    if (mine !== current) return;
    if (reason !== '') {
      if (current.card.proof && current.blocked !== reason) fz.reports.add('blocked', current.card.id, { reason: reason });
      current.blocked = reason;
      if (reason === 'overflow') return;
      setTimeout(function () { if (mine === current && current.from === null) prove(); }, 2000);
      return;
    }
    current.blocked = '';
    if (current.from !== null) return;
    current.from = performance.now();
    if (current.card.proof) fz.ledger.painted(current.card.id);
    else if (current.card.media && !current.card.told) {
      current.card.told = true;
      fz.reports.add('shown', current.card.id);
    }
  }

  function prove() {
    var mine = current;
    var begun = mine.card.media ? mine.begun : Promise.resolve('');
    begun.then(function (why) {
      if (mine !== current) return;
      if (why !== '') fz.media.broken(mine.card, why);
      else fz.proof.prove(mine.element, mine.fitted, function (reason) { painted(mine, reason); });
    });
  }

  function ended(mine) {
    if (mine !== current) return;
    mine.ended = true;
    recompute();
    if (mine !== current) return;
    mine.ended = false;
    mine.since = performance.now();
    begin(mine);
  }

  function begin(mine) {
    mine.begun = mine.card.media ? fz.media.start(mine.card, function () { ended(mine); }) : null;
  }

  function put(card, perf) {
    var before = current;
    pause();
    if (before !== null) fz.media.stop(before.card);
    var about = { who: state === null ? '' : state.title, offset: state === null ? 28800000 : state.utc_offset_ms };
    var element = fz.card.draw(card, about);
    var stage = document.getElementById('stage');
    stage.appendChild(element);
    var fitted = fz.card.fit(element);
    while (stage.firstChild !== element) stage.removeChild(stage.firstChild);
    current = { card: card, element: element, fitted: fitted, since: perf, from: null, blocked: '', ended: false, begun: null };
    turns[card.id] = perf;
    wanting = null;
    begin(current);
    if (before !== null && before.card.kind === 'override' && before.card.id !== card.id &&
        card.priority !== before.card.priority) fz.ledger.end(before.card.id, 'displaced');
    prove();
  }

  function arm(now, perf) {
    var next = 60000;
    var consider = function (wait) { if (wait > 0 && wait < next) next = wait; };
    if (state !== null) {
      consider(state.not_after - now);
      state.overrides.concat(state.rolling).forEach(function (card) {
        consider(card.not_before - now);
        consider(card.not_after - now);
      });
      if (current !== null) consider(current.since + dwell(current.card) - perf);
      if (wanting !== null) consider(wanting.since + LONGEST_WAIT - perf);
    }
    clearTimeout(timer);
    timer = setTimeout(recompute, next + 5);
  }

  function recompute() {
    var now = fz.clock.now();
    var perf = performance.now();
    settle(now);
    var card = pick(now, perf);
    if (!is(card)) put(card, perf);
    arm(now, perf);
    if (state !== null && current.card.kind !== 'override') renew(state.page);
  }

  /* A newer page on the hub is fetched once, when nothing urgent is on. */
  function renew(page) {
    if (page === document.querySelector('meta[name=fz-page]').content) return;
    if (!fz.link.isOpen() || fz.store.get('renewed') === page) return;
    fz.store.put('renewed', page);
    location.reload();
  }

  function keepMedia() {
    var cards = state === null ? [] : fz.playlist.cards(state.playlist);
    if (cards.length === 0 || keptFor === state.playlist) return;
    if (!navigator.serviceWorker || !navigator.serviceWorker.controller) return;
    keptFor = state.playlist;
    fz.media.keep(cards);
  }

  function adopt(document_) {
    document_.overrides.forEach(function (card) { card.kind = 'override'; });
    document_.rolling.forEach(function (card) { card.kind = 'idle'; });
    state = document_;
    fz.ledger.hold(state.overrides.concat(state.rolling), fz.clock.now());
    recompute();
  }

  /* Show nothing that came from a hub: after a foreign key, or when this browser is shut out. */
  function blank() {
    fz.store.drop('state');
    state = null;
    recompute();
  }

  function alive() {
    var duration = 0;
    if (current !== null && current.from !== null) {
      pause();
      current.from = performance.now();
      duration = fz.ledger.seconds(current.card.id);
      fz.ledger.keep();
    }
    fz.reports.alive(current === null ? '' : current.card.id, duration);
  }

  function tick() {
    keepMedia();
    var clock = current === null ? null : current.element.querySelector('.clock');
    if (clock && state !== null) clock.textContent = fz.card.hours(fz.clock.now(), state.utc_offset_ms);
  }

  document.addEventListener('visibilitychange', function () {
    if (current === null) return;
    if (document.visibilityState === 'visible') prove();
    else pause();
    fz.ledger.keep();
  });
  window.addEventListener('pagehide', function () { pause(); fz.ledger.keep(); });
  window.addEventListener('resize', function () {
    if (current === null) return;
    current.fitted = fz.card.fit(current.element);
    if (current.from === null) prove();
  });

  fz.show = {
    adopt: adopt, alive: alive, blank: blank, order: order, recompute: recompute, renew: renew, tick: tick,
    start: function () { fz.ledger.restarted(); recompute(); },
    sequence: function () { return state === null ? 0 : state.sequence; },
    heartbeat: function () { return state === null ? 15000 : state.heartbeat_ms; }
  };
})(window.fz);

/* Which card has the screen, until when, and for how long it was seen. */
(function (fz) {
  'use strict';

  var CUT = 700;
  var LONGEST_WAIT = 10000;
  var SAFE = {
    id: 'safe', kind: 'safe', version: 0, severity: 'info', priority: -1, locale: 'zh-CN', drill: false, proof: false,
    title: '转账之前，停一停', lines: ['叫您转钱又叫您保密的，是骗子', '先问工作人员，或拨打 96110'], footer: '报警 110'
  };
  var NOTICE = {
    id: 'notice', kind: 'notice', version: 0, severity: 'info', priority: -1, locale: 'zh-CN', drill: false, proof: false,
    title: '本屏未登记', lines: ['请工作人员重新打开本屏的登记链接。', 'This screen is not enrolled. Staff: open its enrolment link.'], footer: ''
  };

  var state = null;
  var noticed = false;
  var current = null;
  var turns = {};
  var wanting = null;
  var timer = 0;
  /* What was seen of each card: {version, not_after, seen, open, ms, at}. */
  var ledger = fz.store.get('ledger') || {};

  function live(cards, now) {
    return cards.filter(function (card) { return card.not_before <= now && now < card.not_after; });
  }

  /* Highest priority, then the newest, then the name. */
  function order(overrides, now) {
    return live(overrides, now).sort(function (one, other) {
      return other.priority - one.priority || other.version - one.version || (one.id < other.id ? -1 : 1);
    });
  }

  function dwell(card) {
    if (card.kind === 'override') return Math.max(8000, card.min_show_ms);
    if (card.kind !== 'idle') return 0;
    var length = (card.title + card.lines.join('')).length;
    var reading = 1000 + 350 * length * (/^en/.test(card.locale) ? 0.3 : 1);
    if (card.audience === 'elderly') reading *= 1.5;
    return Math.max(8000, card.min_show_ms, reading);
  }

  function is(card) {
    return current !== null && current.card.id === card.id && current.card.version === card.version;
  }

  /* Equals take turns: whoever is on stays for its dwell, then the one that waited longest. */
  function takeTurn(group, perf) {
    var mine = group.filter(is)[0];
    if (mine && (group.length === 1 || perf < current.since + dwell(mine))) return mine;
    return group.filter(function (card) { return card !== mine; }).reduce(function (best, card) {
      return (turns[card.id] || 0) < (turns[best.id] || 0) ? card : best;
    });
  }

  function pick(now, perf) {
    if (noticed) return NOTICE;
    if (state === null) return SAFE;
    var overrides = order(state.overrides, now);
    var idle = live(state.idle, now);
    if (overrides.length === 0) return idle.length === 0 ? SAFE : takeTurn(idle, perf);
    var top = takeTurn(overrides.filter(function (card) { return card.priority === overrides[0].priority; }), perf);
    return mayCut(top, now, perf) ? top : current.card;
  }

  /* Below the cutting priority a warning lets the running card end, for ten seconds at most. */
  function mayCut(top, now, perf) {
    if (top.priority >= CUT || current === null || is(top)) return true;
    if (current.card.kind !== 'idle' && current.card.kind !== 'override') return true;
    if (current.card.priority === top.priority) return true;
    var there = state.overrides.concat(state.idle).some(is);
    if (!there || current.card.not_after <= now) return true;
    if (wanting === null || wanting.id !== top.id) wanting = { id: top.id, since: perf };
    return perf >= Math.min(current.since + dwell(current.card), wanting.since + LONGEST_WAIT);
  }

  function keep() {
    fz.store.put('ledger', ledger);
  }

  function pause() {
    if (current === null || current.from === null) return;
    var entry = ledger[current.card.id];
    var perf = performance.now();
    if (entry) entry.ms += perf - current.from;
    current.from = null;
  }

  function end(id, reason) {
    var entry = ledger[id];
    if (!entry || !entry.open) return;
    entry.open = false;
    fz.reports.add('hidden', id, { duration_ms: Math.round(entry.ms), reason: reason });
    entry.ms = 0;
  }

  /* Close the books of cards that have expired or were taken away. */
  function settle(now) {
    var held = {};
    if (state !== null) {
      state.overrides.concat(state.idle).forEach(function (card) { held[card.id] = card; });
    }
    var changed = false;
    Object.keys(ledger).forEach(function (id) {
      var entry = ledger[id];
      var expired = entry.not_after <= now;
      if (!expired && held[id]) return;
      if (current !== null && current.card.id === id) pause();
      end(id, expired ? 'expired' : 'withdrawn');
      if (expired && !entry.seen) fz.reports.add('expired', id, { reason: 'unseen' });
      delete ledger[id];
      changed = true;
    });
    if (changed) keep();
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
    var entry = ledger[current.card.id];
    if (!entry || current.from !== null) return;
    current.from = performance.now();
    if (!entry.open) {
      entry.open = true;
      entry.seen = true;
      entry.ms = 0;
      keep();
      fz.reports.add('shown', current.card.id);
    }
  }

  function prove() {
    var mine = current;
    fz.proof.prove(mine.element, mine.fitted, function (reason) { painted(mine, reason); });
  }

  function put(card, perf) {
    var before = current;
    pause();
    var about = { who: state === null ? '' : state.title, offset: state === null ? 28800000 : state.utc_offset_ms };
    var element = fz.card.draw(card, about);
    var stage = document.getElementById('stage');
    stage.appendChild(element);
    var fitted = fz.card.fit(element);
    while (stage.firstChild !== element) stage.removeChild(stage.firstChild);
    current = { card: card, element: element, fitted: fitted, since: perf, from: null, blocked: '' };
    turns[card.id] = perf;
    wanting = null;
    if (before !== null && before.card.kind === 'override' && before.card.id !== card.id &&
        card.priority !== before.card.priority) end(before.card.id, 'displaced');
    prove();
  }

  function arm(now, perf) {
    var next = 60000;
    var consider = function (wait) { if (wait > 0 && wait < next) next = wait; };
    if (state !== null) {
      state.overrides.concat(state.idle).forEach(function (card) {
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
    renew();
  }

  /* A newer page on the hub is fetched once, when nothing urgent is on. */
  function renew() {
    var mine = document.querySelector('meta[name=fz-page]').content;
    if (state === null || state.page === mine || current.card.kind === 'override') return;
    if (!fz.link.isOpen() || fz.store.get('renewed') === state.page) return;
    fz.store.put('renewed', state.page);
    location.reload();
  }

  function adopt(document_) {
    document_.overrides.forEach(function (card) { card.kind = 'override'; });
    document_.idle.forEach(function (card) { card.kind = 'idle'; });
    noticed = false;
    state = document_;
    var now = fz.clock.now();
    state.overrides.concat(state.idle).forEach(function (card) {
      if (!card.proof || card.not_after <= now) return;
      var entry = ledger[card.id] || { seen: false, open: false, ms: 0 };
      entry.not_after = card.not_after;
      ledger[card.id] = entry;
    });
    keep();
    recompute();
  }

  /* Show nothing that came from a hub: after a foreign key, or when this browser is shut out. */
  function blank(enrolled) {
    fz.store.drop('state');
    state = null;
    noticed = !enrolled;
    recompute();
  }

  function alive() {
    var duration = 0;
    if (current !== null && current.from !== null) {
      pause();
      current.from = performance.now();
      var entry = ledger[current.card.id];
      if (entry) duration = Math.round(entry.ms);
      keep();
    }
    fz.reports.alive(current === null ? '' : current.card.id, duration);
  }

  function tick() {
    var clock = current === null ? null : current.element.querySelector('.clock');
    if (clock && state !== null) clock.textContent = fz.card.hours(fz.clock.now(), state.utc_offset_ms);
  }

  function start() {
    Object.keys(ledger).forEach(function (id) { end(id, 'restarted'); });
    keep();
    recompute();
  }

  document.addEventListener('visibilitychange', function () {
    if (current === null) return;
    if (document.visibilityState === 'visible') prove();
    else pause();
    keep();
  });
  window.addEventListener('pagehide', function () { pause(); keep(); });
  window.addEventListener('resize', function () {
    if (current === null) return;
    current.fitted = fz.card.fit(current.element);
    if (current.from === null) prove();
  });

  fz.show = {
    adopt: adopt, alive: alive, blank: blank, order: order, recompute: recompute, start: start, tick: tick,
    sequence: function () { return state === null ? 0 : state.sequence; },
    heartbeat: function () { return state === null ? 15000 : state.heartbeat_ms; }
  };
})(window.fz);

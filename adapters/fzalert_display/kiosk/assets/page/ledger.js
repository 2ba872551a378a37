/* The books: what was seen of each warning, and for how long. They outlive a restart.

   Of each card: {not_after, seen, open, ms}; `open` while it was shown and its time not told. */
(function (fz) {
  'use strict';

  var books = fz.store.get('ledger') || {};

  function keep() {
    fz.store.put('ledger', books);
  }

  /* Open the books of the cards that owe a proof. */
  function hold(cards, now) {
    cards.forEach(function (card) {
      if (!card.proof || card.not_after <= now) return;
      var entry = books[card.id] || { seen: false, open: false, ms: 0 };
      entry.not_after = card.not_after;
      books[card.id] = entry;
    });
    keep();
  }

  function painted(id) {
    var entry = books[id];
    if (!entry || entry.open) return;
    entry.open = true;
    entry.seen = true;
    entry.ms = 0;
    keep();
    fz.reports.add('shown', id);
  }

  function add(id, ms) {
    if (books[id]) books[id].ms += ms;
  }

  function end(id, reason) {
    var entry = books[id];
    if (!entry || !entry.open) return;
    entry.open = false;
    fz.reports.add('hidden', id, { duration_ms: Math.round(entry.ms), reason: reason });
    entry.ms = 0;
  }

  /* Close the books of cards that have expired or were taken away; before(id) comes first. */
  function settle(now, held, before) {
    var changed = false;
    Object.keys(books).forEach(function (id) {
      var entry = books[id];
      var expired = entry.not_after <= now;
      if (!expired && held[id]) return;
      before(id);
      end(id, expired ? 'expired' : 'withdrawn');
      if (expired && !entry.seen) fz.reports.add('expired', id, { reason: 'unseen' });
      delete books[id];
      changed = true;
    });
    if (changed) keep();
  }

  function restarted() {
    Object.keys(books).forEach(function (id) { end(id, 'restarted'); });
    keep();
  }

  fz.ledger = {
    hold: hold, painted: painted, add: add, end: end, settle: settle, restarted: restarted, keep: keep,
    seconds: function (id) { return books[id] ? Math.round(books[id].ms) : 0; }
  };
})(window.fz);

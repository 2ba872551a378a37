/* The idle cards that all screens share: one text, known by the hash in the signed state. */
(function (fz) {
  'use strict';

  var LONGEST_PAUSE = 60000;
  var read = { sha256: '', cards: [] };
  var asking = '';
  var failures = 0;

  function parse(sha256_, text) {
    if (sha256(text) !== sha256_) return false;
    var list = JSON.parse(text);
    if (list.format !== 1) return false;
    read = { sha256: sha256_, cards: list.cards };
    read.cards.forEach(function (card) { card.kind = 'idle'; });
    return true;
  }

  function ask(sha256_) {
    if (asking === sha256_) return;
    asking = sha256_;
    fz.request('../../playlist/' + sha256_ + '.json', { cache: 'default' }, 10000).then(function (answer) {
      if (answer.status !== 200) throw new Error('status ' + answer.status);
      return answer.text();
    }).then(function (text) {
      if (asking !== sha256_) return;
      asking = '';
      if (!parse(sha256_, text)) throw new Error('it has another hash');
      failures = 0;
      fz.store.put('playlist', { sha256: sha256_, text: text });
      fz.show.recompute();
    }).catch(function (failed) {
      fz.lastPlaylistError = String(failed);
      failures += 1;
      /* Perhaps the hub has another one by now: then a new state names it. */
      setTimeout(function () {
        asking = '';
        fz.link.refresh();
        fz.show.recompute();
      }, Math.min(LONGEST_PAUSE, 2000 * Math.pow(2, failures)) * (0.5 + Math.random() / 2));
    });
  }

  /* The cards of this hash; none as long as they are on their way. */
  function cards(sha256_) {
    if (sha256_ === '' || read.sha256 === sha256_) return sha256_ === '' ? [] : read.cards;
    var kept = fz.store.get('playlist');
    if (kept !== null && kept.sha256 === sha256_ && parse(sha256_, kept.text)) return read.cards;
    ask(sha256_);
    return [];
  }

  fz.playlist = { cards: cards };
})(window.fz);

/* Pictures and videos of the idle cards. Each is fetched whole, the browser compares it with the
   signed hash, and only then it is shown, from memory: a hub or a cache that hands out something
   else shows nothing. What is on and what comes next is held, the rest is let go. */
(function (fz) {
  'use strict';

  var WITHIN = 60000;
  var STALLED = 600000;
  var START_WITHIN = 5000;
  var held = {};

  function integrity(sha256) {
    var raw = sha256.match(/../g).map(function (pair) { return String.fromCharCode(parseInt(pair, 16)); });
    return 'sha256-' + btoa(raw.join(''));
  }

  function address(media) {
    return '../../media/' + media.file;
  }

  function tellWorker(message) {
    var worker = navigator.serviceWorker && navigator.serviceWorker.controller;
    if (worker) worker.postMessage(message);
  }

  function failed(entry, reason) {
    if (entry.gone) return;
    entry.state = 'waiting';
    entry.failures += 1;
    if (entry.told !== reason) fz.reports.add('blocked', entry.card, { reason: reason });
    entry.told = reason;
    /* The kept copy may be what is wrong. */
    tellWorker({ check: new URL(address(entry.media), location.href).pathname });
    again(entry, Math.min(300000, 5000 * Math.pow(2, entry.failures - 1)));
  }

  function again(entry, wait) {
    entry.timer = setTimeout(function () { load(entry); }, wait * (0.7 + Math.random() * 0.6));
  }

  function ready(entry) {
    if (entry.gone) return;
    entry.state = 'ready';
    entry.failures = 0;
    fz.show.recompute();
  }

  function picture(entry) {
    var image = document.createElement('img');
    image.alt = entry.title;
    image.src = entry.url;
    entry.element = image;
    var decoded = image.decode ? image.decode() : new Promise(function (resolve, reject) {
      image.onload = resolve;
      image.onerror = reject;
    });
    return decoded;
  }

  function video(entry) {
    var film = document.createElement('video');
    film.muted = true;
    film.setAttribute('muted', '');
    film.setAttribute('playsinline', '');
    film.setAttribute('aria-label', entry.title);
    film.preload = 'auto';
    film.disableRemotePlayback = true;
    entry.element = film;
    return new Promise(function (resolve, reject) {
      film.addEventListener('loadeddata', resolve);
      film.addEventListener('error', reject);
      film.src = entry.url;
    });
  }

  function load(entry) {
    if (entry.gone) return;
    entry.state = 'loading';
    entry.attempt += 1;
    var mine = entry.attempt;
    var isOld = function () { return entry.gone || mine !== entry.attempt; };
    entry.timer = setTimeout(fail, STALLED, 'media:stalled');
    function fail(reason, why) {
      if (isOld()) return;
      fz.lastMediaError = String(why || reason);
      clearTimeout(entry.timer);
      release(entry);
      failed(entry, reason);
    }
    fz.request(address(entry.media), {
      integrity: integrity(entry.media.sha256), cache: entry.failures === 0 ? 'default' : 'reload'
    }, WITHIN).then(function (answer) {
      if (answer.status !== 503) return answer.status === 200 ? answer.blob() : Promise.reject(new Error('status ' + answer.status));
      if (isOld()) return null;
      clearTimeout(entry.timer);
      entry.state = 'waiting';
      again(entry, 1000 * (Number(answer.headers.get('Retry-After')) || 10));
      return null;
    }).then(function (blob) {
      if (blob === null || isOld()) return null;
      if (blob.size !== entry.media.bytes) throw new Error('it has another length');
      entry.url = URL.createObjectURL(blob);
      return (entry.media.kind === 'video' ? video : picture)(entry).then(function () {
        if (isOld()) return;
        clearTimeout(entry.timer);
        ready(entry);
      }, function (why) { fail('media:broken', why); });
    }).catch(function (why) { fail('media:missing', why); });
  }

  function release(entry) {
    if (entry.element && entry.media.kind === 'video') {
      entry.element.onerror = null;
      entry.element.pause();
      entry.element.removeAttribute('src');
      entry.element.load();
    }
    if (entry.url) URL.revokeObjectURL(entry.url);
    entry.url = '';
    entry.element = null;
  }

  /* It was there and could not be shown after all. */
  function broken(card, reason) {
    var entry = held[card.media.file];
    if (!entry || entry.state !== 'ready') return;
    release(entry);
    failed(entry, reason);
    fz.show.recompute();
  }

  /* Hold these cards' files, and no others. */
  function want(cards) {
    var wanted = {};
    cards.forEach(function (card) {
      if (!card.media) return;
      wanted[card.media.file] = true;
      if (held[card.media.file]) return;
      var entry = { media: card.media, card: card.id, title: card.title, state: '', attempt: 0, failures: 0, told: '', url: '', element: null, timer: 0, gone: false };
      held[card.media.file] = entry;
      load(entry);
    });
    Object.keys(held).forEach(function (file) {
      if (wanted[file]) return;
      held[file].gone = true;
      clearTimeout(held[file].timer);
      release(held[file]);
      delete held[file];
    });
  }

  function isReady(card) {
    return !card.media || Boolean(held[card.media.file] && held[card.media.file].state === 'ready');
  }

  function element(card) {
    return held[card.media.file].element;
  }

  /* Begin; the answer is empty once a frame of it can be seen, else why not. */
  function start(card, ended) {
    var shown = element(card);
    if (card.media.kind === 'image') return Promise.resolve(shown.naturalWidth > 0 ? '' : 'media:broken');
    shown.currentTime = 0;
    shown.onended = ended;
    shown.onerror = function () { broken(card, 'media:broken'); };
    return new Promise(function (resolve) {
      setTimeout(resolve, START_WITHIN, 'media:not-playing');
      if (shown.requestVideoFrameCallback) shown.requestVideoFrameCallback(function () { resolve(''); });
      else shown.addEventListener('playing', function () { resolve(''); }, { once: true });
      var playing = shown.play();
      if (playing) playing.catch(function () { resolve('media:not-playing'); });
    });
  }

  function stop(card) {
    var shown = card.media && held[card.media.file] && held[card.media.file].element;
    if (!shown || card.media.kind !== 'video') return;
    shown.onended = null;
    shown.onerror = null;
    shown.pause();
  }

  /* The worker keeps the whole playlist for the days without a hub. */
  function keep(cards) {
    tellWorker({ keep: cards.filter(function (card) { return card.media; }).map(function (card) {
      return new URL(address(card.media), location.href).pathname;
    }) });
  }

  fz.media = { want: want, isReady: isReady, element: element, broken: broken, start: start, stop: stop, keep: keep };
})(window.fz);

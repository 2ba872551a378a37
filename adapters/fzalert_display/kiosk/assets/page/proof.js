/* Proof of paint: the frame that holds the card has been produced, and the card can be seen in it.

   requestAnimationFrame runs before that frame, a message posted from it is handled after it. */
(function (fz) {
  'use strict';

  function fontsReady(text) {
    if (!document.fonts || !document.fonts.ready) return Promise.resolve(true);
    var loaded = document.fonts.ready.then(function () {
      return document.fonts.check('48px "Noto Sans CJK SC", sans-serif', text);
    });
    var late = new Promise(function (resolve) { setTimeout(resolve, 2000, false); });
    return Promise.race([loaded, late]);
  }

  function afterPaint(then) {
    requestAnimationFrame(function () {
      var channel = new MessageChannel();
      channel.port1.onmessage = then;
      channel.port2.postMessage(0);
    });
  }

  function inView(element) {
    var box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.left >= -1 && box.top >= -1 &&
      box.right <= window.innerWidth + 1 && box.bottom <= window.innerHeight + 1;
  }

  function whyNot(element, fitted) {
    if (document.visibilityState !== 'visible') return 'page-hidden';
    if (!element.isConnected) return 'replaced';
    var style = getComputedStyle(element);
    if (style.display === 'none' || style.visibility !== 'visible' || Number(style.opacity) <= 0.9) return 'transparent';
    var texts = [element].concat(Array.from(element.querySelectorAll('.view:not([hidden]) > *, .head:not([hidden]) h1, .body:not([hidden]) p')));
    if (!texts.every(inView)) return 'out-of-view';
    if (!fitted) return 'overflow';
    return '';
  }

  /* then(reason): empty once the card was painted. */
  function prove(element, fitted, then) {
    if (document.visibilityState !== 'visible') {
      then('page-hidden');
      return;
    }
    fontsReady(element.textContent).then(function (ready) {
      if (!ready) {
        then('fonts');
        return;
      }
      afterPaint(function () { then(whyNot(element, fitted)); });
    });
  }

  fz.proof = { prove: prove };
})(window.fz);

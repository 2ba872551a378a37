/* Start: pin the key, show what was kept, then dial. */
(function (fz) {
  'use strict';

  fz.request = function (address, options, within) {
    var abort = typeof AbortController === 'function' ? new AbortController() : null;
    var full = Object.assign({ credentials: 'same-origin', cache: 'no-store' }, options);
    if (abort !== null) full.signal = abort.signal;
    var timer = 0;
    var late = new Promise(function (resolve, reject) {
      timer = setTimeout(function () {
        if (abort !== null) abort.abort();
        reject(new Error('no answer in time'));
      }, within);
    });
    var answer = Promise.race([fetch(address, full), late]);
    var done = function () { clearTimeout(timer); };
    answer.then(done, done);
    return answer;
  };

  function trustedWorker() {
    if (!window.trustedTypes) return 'worker.js';
    return window.trustedTypes.createPolicy('kiosk', {
      createScriptURL: function (address) {
        if (address !== 'worker.js') throw new TypeError('this page has one worker');
        return address;
      }
    }).createScriptURL('worker.js');
  }

  fz.trust.enrol();
  var kept = fz.store.get('state');
  if (kept !== null) {
    var judged = fz.trust.judge(kept);
    if (judged.document) {
      fz.clock.resumed(judged.document.issued_at);
      fz.show.adopt(judged.document);
    }
  }
  fz.show.start();
  fz.link.connect();
  setInterval(function () {
    fz.clock.watch();
    fz.link.watch();
    fz.show.tick();
  }, 1000);
  if (navigator.serviceWorker) {
    navigator.serviceWorker.register(trustedWorker()).catch(function (refused) {
      fz.lastWorkerError = String(refused);
    });
  }
})(window.fz);

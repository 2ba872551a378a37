/* The page of a browser that is no screen yet: shows a code, and asks until somebody confirms it.

   The secret never leaves this page and the hub; the code alone makes nobody a screen. */
(function () {
  'use strict';

  var ASK_WITHIN = 10000;
  var code = document.getElementById('code');
  /* The style sheet's address tells where the mount is, wherever this page was asked for. */
  var base = new URL(document.querySelector('link[rel=stylesheet]').href).pathname.replace(/assets\/[^/]*$/, '');
  var named = /^screen\/([^/]+)\/$/.exec(location.pathname.slice(base.length));
  var hint = named === null ? '' : decodeURIComponent(named[1]);
  var failures = 0;

  document.querySelector('.where').textContent = location.origin + base + 'pair/';

  function ask(path, body) {
    var abort = typeof AbortController === 'function' ? new AbortController() : null;
    var options = {
      method: 'POST', credentials: 'same-origin', cache: 'no-store',
      headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body)
    };
    if (abort !== null) options.signal = abort.signal;
    return new Promise(function (resolve, reject) {
      setTimeout(function () {
        if (abort !== null) abort.abort();
        reject(new Error('no answer in time'));
      }, ASK_WITHIN);
      fetch(base + path, options).then(resolve, reject);
    });
  }

  /* What is shown is never older than it is valid: without the hub there is no code. */
  function blank() {
    code.textContent = '········';
  }

  function later(then, wait) {
    setTimeout(then, wait * (0.9 + Math.random() / 5));
  }

  function retry() {
    failures += 1;
    later(begin, Math.min(60000, 2000 * Math.pow(2, failures)));
  }

  function begin() {
    blank();
    ask('pair/code', { hint: hint }).then(function (answer) {
      if (answer.status !== 200) throw new Error('status ' + answer.status);
      return answer.json();
    }).then(function (begun) {
      failures = 0;
      code.textContent = begun.code.slice(0, 4) + '-' + begun.code.slice(4);
      code.setAttribute('aria-label', begun.code.split('').join(' '));
      poll(begun.secret, begun.poll_ms, performance.now() + begun.valid_ms);
    }).catch(retry);
  }

  function poll(secret, pause, until) {
    later(function () {
      if (performance.now() > until) {
        begin();
        return;
      }
      ask('pair/poll', { secret: secret }).then(function (answer) {
        if (answer.status === 410) return { status: 'old' };
        return answer.status === 200 ? answer.json() : { status: 'waiting' };
      }).then(function (told) {
        if (told.status === 'paired') enter(told);
        else if (told.status === 'old') begin();
        else poll(secret, pause, until);
      }, function () { poll(secret, pause, until); });
    }, pause);
  }

  function enter(told) {
    var own = base + 'screen/' + encodeURIComponent(told.display) + '/';
    var address = own + '#key=' + told.key;
    if (location.pathname !== own) {
      location.replace(address);
      return;
    }
    location.hash = 'key=' + told.key;
    location.reload();
  }

  begin();
})();

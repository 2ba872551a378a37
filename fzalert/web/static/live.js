// Keeps the live part of a page fresh: a stream of server-sent events, each one whole HTML of the
// part, morphed into place so that focus, selection and scroll stay where they are.
(function () {
  "use strict";

  var live = document.getElementById("live");
  var link = document.getElementById("link");
  if (!live || !link || !window.EventSource) return;

  function tell(tone, sign, zh, en) {
    if (link.getAttribute("data-tone") === tone && link.getAttribute("data-say") === zh) return;
    link.setAttribute("data-tone", tone);
    link.setAttribute("data-say", zh);
    link.textContent = sign + " " + zh + " ";
    var english = document.createElement("span");
    english.lang = "en";
    english.textContent = en;
    link.appendChild(english);
  }

  function asOf() {
    var clock = document.getElementById("as-of");
    return clock ? clock.textContent : "";
  }

  function same(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  }

  function attributes(from, to) {
    var i, name;
    for (i = from.attributes.length - 1; i >= 0; i--) {
      name = from.attributes[i].name;
      if (!to.hasAttribute(name)) from.removeAttribute(name);
    }
    for (i = 0; i < to.attributes.length; i++) {
      name = to.attributes[i].name;
      if (from.getAttribute(name) !== to.getAttribute(name)) {
        from.setAttribute(name, to.getAttribute(name));
      }
    }
  }

  function morph(from, to) {
    if (from.nodeType !== 1) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    attributes(from, to);
    children(from, to);
  }

  // Rows carry ids: a row that moved is moved, not written over, so the focus inside it goes along.
  function children(from, to) {
    var at = from.firstChild;
    var next = to.firstChild;
    var found, rest, wanted;
    while (next) {
      wanted = next;
      next = next.nextSibling;
      found = null;
      if (wanted.id) {
        for (rest = at; rest; rest = rest.nextSibling) {
          if (same(rest, wanted)) { found = rest; break; }
        }
      } else if (at && !at.id && same(at, wanted)) {
        found = at;
      }
      if (!found) {
        from.insertBefore(document.importNode(wanted, true), at);
      } else {
        if (found === at) at = at.nextSibling;
        else if (from.moveBefore) from.moveBefore(found, at);
        else from.insertBefore(found, at);
        morph(found, wanted);
      }
    }
    while (at) {
      rest = at.nextSibling;
      from.removeChild(at);
      at = rest;
    }
  }

  // Where a browser cannot move a row in one step, the row that has the focus loses it on its way.
  function show(html) {
    var parsed = new DOMParser().parseFromString(html, "text/html");
    var focused = document.activeElement;
    children(live, parsed.body);
    if (focused !== document.activeElement && live.contains(focused)) {
      focused.focus({ preventScroll: true });
    }
  }

  var source = null;
  var silent = 0;
  var again = 0;

  function heard() {
    clearTimeout(silent);
    silent = setTimeout(reconnect, 45000);
  }

  function reconnect() {
    clearTimeout(again);
    if (source) source.close();
    lost();
    again = setTimeout(connect, 3000 + Math.random() * 2000);
  }

  function lost() {
    tell("bad", "■", "连接断开，数据停在 " + asOf() + "，正在重连", "disconnected, reconnecting");
  }

  function connect() {
    source = new EventSource(live.getAttribute("data-events"));
    heard();
    source.onmessage = function (event) {
      heard();
      show(event.data);
      tell("ok", "●", "实时", "live");
    };
    source.addEventListener("hb", heard);
    source.addEventListener("bye", function () {
      tell("bad", "■", "程序已停止，数据停在 " + asOf(), "the process stopped");
    });
    source.onerror = function () {
      if (source.readyState === EventSource.CLOSED) reconnect();
      else lost();
    };
  }

  connect();
}());

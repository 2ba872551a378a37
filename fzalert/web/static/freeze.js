// The freeze desk with a script: clocks tick by the server's time, keys move over the board, a
// pasted message is read at once, and a field says what is wrong when it is left. Every page is
// whole without it.
(function () {
  "use strict";

  // ---- clocks ---------------------------------------------------------------------------------
  var offset = 0;
  var stamp = "";

  function two(number) {
    return (number < 10 ? "0" : "") + number;
  }

  function text(seconds) {
    var left = Math.abs(seconds);
    var shown;
    if (left >= 4 * 86400) shown = Math.floor(left / 86400) + " 天";
    else if (left >= 3600) {
      shown = Math.floor(left / 3600) + ":" + two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
    } else shown = two(Math.floor(left / 60)) + ":" + two(left % 60);
    return seconds < 0 ? "超时 " + shown : shown;
  }

  // The server's time came with the page or the last piece of it; this machine's own may be wrong.
  function tick() {
    var at = document.querySelector("[data-now]");
    var clocks = document.querySelectorAll("[data-due]");
    var now, i, shown;
    if (!at) return;
    if (at.getAttribute("data-now") !== stamp) {
      stamp = at.getAttribute("data-now");
      offset = Number(stamp) - Date.now();
    }
    now = Date.now() + offset;
    for (i = 0; i < clocks.length; i++) {
      shown = text(Math.trunc((Number(clocks[i].getAttribute("data-due")) - now) / 1000));
      if (clocks[i].textContent !== shown) clocks[i].textContent = shown;
    }
  }

  tick();
  setInterval(tick, 250);
  document.addEventListener("visibilitychange", tick);

  // ---- keys of the board ----------------------------------------------------------------------
  var search = document.getElementById("q");
  var dialog = document.getElementById("keys");
  var toggle = document.getElementById("keys-toggle");
  var STORED = "fzalert.freeze.keys";
  var keys = true;

  function remember(on) {
    keys = on;
    toggle.setAttribute("aria-pressed", String(on));
    toggle.firstChild.nodeValue = on ? "单键快捷键：开 " : "单键快捷键：关 ";
    toggle.lastElementChild.textContent = on ? "single keys: on" : "single keys: off";
    try { localStorage.setItem(STORED, on ? "on" : "off"); } catch (ignored) { /* none kept */ }
  }

  function steps() {
    return Array.prototype.slice.call(document.querySelectorAll("a.next"));
  }

  function move(by) {
    var all = steps();
    var row = document.activeElement && document.activeElement.closest("tr");
    var at = row ? all.indexOf(row.querySelector("a.next")) : -1;
    var to = at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by;
    if (all[to]) all[to].focus();
  }

  function typing(target) {
    return /^(INPUT|TEXTAREA|SELECT)$/.test(target.nodeName) || target.isContentEditable;
  }

  function pressed(event) {
    var found;
    if (!keys || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (typing(event.target) || dialog.open) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "/") search.focus();
    else if (event.key === "?") dialog.showModal();
    else if (event.key === "n") {
      found = document.querySelector('.headline a[href="/freeze/new"]');
      if (found) location.assign(found.href);
    } else if (/^[1-9]$/.test(event.key)) {
      found = steps()[Number(event.key) - 1];
      if (found) location.assign(found.href);
    } else return;
    event.preventDefault();
  }

  if (search && dialog && toggle) {
    toggle.hidden = false;
    try { if (localStorage.getItem(STORED) === "off") remember(false); } catch (ignored) { /* on */ }
    toggle.addEventListener("click", function () { remember(!keys); });
    document.addEventListener("keydown", pressed);
  }

  // ---- the entry ------------------------------------------------------------------------------
  var entry = document.getElementById("entry");
  var left = {};
  var asked = 0;

  // A refusal or a fault is read first, wherever the eye was.
  var summary = document.getElementById("faults");
  if (summary) summary.focus();

  function tell(name, fault) {
    var field = document.getElementById(name + "-field");
    var input = document.getElementById(name);
    var line = document.getElementById(name + "-fault");
    var english, sign, described;
    if (!field || !input) return;
    described = (input.getAttribute("aria-describedby") || "").split(" ").filter(function (id) {
      return id && id !== name + "-fault";
    });
    if (!fault) {
      if (line) line.remove();
      field.classList.remove("faulty");
      input.removeAttribute("aria-invalid");
    } else {
      if (!line) {
        line = document.createElement("p");
        line.id = name + "-fault";
        line.className = "fault";
        field.insertBefore(line, input);
      }
      line.textContent = "";
      sign = document.createElement("span");
      sign.setAttribute("aria-hidden", "true");
      sign.textContent = "■";
      english = document.createElement("span");
      english.lang = "en";
      english.textContent = fault.en;
      line.append(sign, " " + fault.zh + " ", english);
      field.classList.add("faulty");
      input.setAttribute("aria-invalid", "true");
      described.push(name + "-fault");
    }
    if (described.length) input.setAttribute("aria-describedby", described.join(" "));
    else input.removeAttribute("aria-describedby");
  }

  // The server's own rules are asked, so that there is one truth; files and the paste stay here.
  function look() {
    var mine = ++asked;
    var body = new URLSearchParams();
    new FormData(entry).forEach(function (value, name) {
      if (typeof value === "string" && name !== "paste") body.append(name, value);
    });
    fetch(entry.getAttribute("data-look"), { method: "POST", body: body }).then(function (answer) {
      return answer.ok ? answer.json() : null;
    }).then(function (faults) {
      if (!faults || mine !== asked) return;
      Object.keys(left).forEach(function (name) { tell(name, faults[name]); });
    }).catch(function () { /* the form itself tells later */ });
  }

  if (entry) {
    entry.addEventListener("focusout", function (event) {
      var name = event.target.name;
      if (!name || !event.target.value || name === "paste" || event.target.type === "file") return;
      left[name] = true;
      look();
    });
    document.getElementById("paste").addEventListener("paste", function () {
      setTimeout(function () { entry.requestSubmit(document.getElementById("read")); }, 0);
    });
  }
}());

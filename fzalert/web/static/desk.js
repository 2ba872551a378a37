// Keys and running clocks of a bank's desk. Without it every page still works: links and forms.
(function () {
  "use strict";

  var meta = document.querySelector('meta[name="now"]');
  var offset = meta ? Number(meta.getAttribute("content")) - Date.now() : 0;

  function two(value) { return (value < 10 ? "0" : "") + value; }

  function span(seconds) {
    var size = Math.floor(Math.abs(seconds));
    var hours = Math.floor(size / 3600);
    var text = two(Math.floor((size % 3600) / 60)) + ":" + two(size % 60);
    return hours ? hours + ":" + text : text;
  }

  function tick() {
    var now = Date.now() + offset;
    document.querySelectorAll("[data-due]").forEach(function (clock) {
      var left = (Number(clock.getAttribute("data-due")) - now) / 1000;
      var text = left < 0 ? "超时 " + span(left) : span(left);
      if (clock.textContent !== text) clock.textContent = text;
      if (left < 0 && clock.parentElement) {
        clock.parentElement.className = "timer bad";
        var row = clock.closest("li");
        if (row && !row.classList.contains("bad") && !row.classList.contains("still")) {
          row.classList.remove("ok", "warn");
          row.classList.add("bad");
        }
      }
    });
    document.querySelectorAll("[data-since]").forEach(function (clock) {
      var text = span((now - Number(clock.getAttribute("data-since"))) / 1000);
      if (clock.textContent !== text) clock.textContent = text;
    });
  }

  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", tick);
  tick();

  function isTyping(element) {
    if (!element) return false;
    if (element.isContentEditable) return true;
    if (element.tagName === "TEXTAREA" || element.tagName === "SELECT") return true;
    return element.tagName === "INPUT" && element.type !== "checkbox" && element.type !== "radio";
  }

  function rows() { return Array.prototype.slice.call(document.querySelectorAll(".items a.open")); }

  function move(by) {
    var all = rows();
    if (!all.length) return;
    var at = all.indexOf(document.activeElement);
    var next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by));
    all[next].focus();
  }

  var tabs = { w: "tab-waiting", m: "tab-mine", d: "tab-done", x: "tab-refused" };

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    var key = event.key.toLowerCase();
    var here = document.activeElement;
    if (event.key === "Escape") {
      if (isTyping(here) && here.tagName !== "SELECT" && here.value && here.type !== "password") {
        here.blur();
        return;
      }
      var back = document.querySelector("[data-back]");
      if (back) { event.preventDefault(); back.click(); }
      return;
    }
    if (isTyping(here) || event.repeat) return;
    if (document.querySelector(".items") || document.getElementById("tabs")) {
      if (key === "j" || key === "k") { event.preventDefault(); move(key === "j" ? 1 : -1); return; }
      var tab = tabs[key] && document.getElementById(tabs[key]);
      if (tab) { event.preventDefault(); tab.click(); return; }
    }
    var target = document.querySelector('[data-key="' + (/^[a-z0-9]$/.test(key) ? key : "-") + '"]');
    if (!target) return;
    event.preventDefault();
    if (target.type === "checkbox") { target.focus(); target.click(); }
    else if (target.tagName === "INPUT" || target.tagName === "SELECT") target.focus();
    else target.click();
  });

  var problem = document.getElementById("problem");
  if (problem) problem.scrollIntoView({ block: "nearest" });
}());

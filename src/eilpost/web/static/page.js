// Keys, live arrival, and what a button cannot do alone. Everything else is links and forms, and works without this.
(function () {
  "use strict";
  var $ = function (selector, within) { return (within || document).querySelector(selector); };
  var all = function (selector, within) { return Array.from((within || document).querySelectorAll(selector)); };
  var rows = function () { return all("#list .row"); };
  var message = function () { return $("#message[data-id]"); };

  // ── times, in the reader's zone ──

  function tellTimes(within) {
    var today = new Date().toDateString();
    all("time[datetime]", within).forEach(function (element) {
      var when = new Date(element.getAttribute("datetime"));
      if (isNaN(when)) return;
      var clock = when.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      var day = when.toLocaleDateString([], { day: "numeric", month: "short" });
      element.title = when.toLocaleString();
      element.textContent = element.hasAttribute("data-long") ? when.toLocaleString() : when.toDateString() === today ? clock : day;
    });
  }

  // ── the mark that j and k move ──

  var marked = "";

  function mark(row, look) {
    rows().forEach(function (each) { each.classList.remove("chosen"); });
    if (!row) { marked = ""; return; }
    marked = row.dataset.id;
    row.classList.add("chosen");
    if (look !== false) {
      row.scrollIntoView({ block: "nearest" });
      $("a", row).focus({ preventScroll: true });
    }
  }

  function markedRow() {
    return rows().find(function (row) { return row.dataset.id === marked; }) || $("#list .row.opened");
  }

  function move(step) {
    var list = rows(), at = list.indexOf(markedRow());
    if (!list.length) return;
    mark(list[at < 0 ? 0 : Math.max(0, Math.min(list.length - 1, at + step))]);
    if (message() && window.matchMedia("(min-width: 761px)").matches) open(markedRow());
  }

  function open(row) {
    if (row) $("a", row).click();
  }

  // ── the list ──

  var newest = 0;

  function settle() {
    tellTimes();
    var list = rows(), chosen = $("#message[data-id]");
    var top = Math.max.apply(null, [0].concat(list.map(function (row) { return Number(row.dataset.number); })));
    list.forEach(function (row) {
      row.classList.toggle("opened", Boolean(chosen) && row.dataset.id === chosen.dataset.id);
      if (newest && Number(row.dataset.number) > newest) row.classList.add("fresh");
    });
    newest = Math.max(newest, top);
    if (marked) mark(markedRow(), false);
    var tab = $(".views [aria-current]");
    if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 60;
    count();
    var section = $("#list"), unread = section && Number(section.dataset.unread);
    if (!chosen && section && section.dataset.unread !== undefined) document.title = (unread ? "(" + unread + ") " : "") + "Eilpost";
  }

  function count() {
    var chosen = all("#list input[name=id]:checked").length, place = $("[data-count]");
    if (!place) return;
    if (!place.dataset.plain) place.dataset.plain = place.textContent;
    place.textContent = chosen ? chosen + " chosen" : place.dataset.plain;
  }

  var refreshing = 0;

  function refresh() {
    if (refreshing || !$("#list[hx-get]")) return;
    refreshing = setTimeout(function () {
      refreshing = 0;
      var checked = all("#list input[name=id]:checked").map(function (box) { return box.value; });
      var held = document.activeElement && document.activeElement.closest("#list .row");
      var scrolled = $("#list").scrollTop;
      document.body.addEventListener("htmx:afterSwap", function restore() {
        document.body.removeEventListener("htmx:afterSwap", restore);
        var list = $("#list");
        list.scrollTop = scrolled;
        checked.forEach(function (id) {
          var box = all("input[name=id]", list).find(function (each) { return each.value === id; });
          if (box) box.checked = true;
        });
        var again = held && rows().find(function (row) { return row.dataset.id === held.dataset.id; });
        if (again) $("a", again).focus({ preventScroll: true });
        settle();
      });
      htmx.trigger("#list", "refresh");
    }, 150);
  }

  // ── live ──

  function listen() {
    var live = $("#live"), source = new EventSource("/stream");
    source.onopen = function () { live.className = "live on"; $("span", live).textContent = "live"; refresh(); };
    source.onerror = function () { live.className = "live off"; $("span", live).textContent = "connecting …"; };
    source.addEventListener("arrived", function (event) {
      var told = JSON.parse(event.data);
      $("#said").textContent = "New message from " + told.from + ": " + told.subject;
      refresh();
    });
    source.addEventListener("changed", refresh);
    source.addEventListener("deleted", function (event) {
      var gone = JSON.parse(event.data || "[]"), opened = message();
      if (opened && gone.indexOf(opened.dataset.id) >= 0 && !ours.has(opened.dataset.id)) close();
      refresh();
    });
    window.addEventListener("pagehide", function () { source.close(); });
  }

  // ── deeds ──

  var ours = new Set(); // what was deleted here: its page is left by whoever deleted it

  function close() {
    var opened = message(), back = opened && $(".back", opened);
    if (back) window.location.assign(back.href);
  }

  function deed(name, ids) {
    if (!ids.length) return;
    var values = { deed: name, id: ids };
    var leaving = name === "delete";
    if (leaving) ids.forEach(function (id) { ours.add(id); });
    var opened = message(), next = null;
    if (leaving && opened && ids.indexOf(opened.dataset.id) >= 0) {
      var list = rows(), at = list.findIndex(function (row) { return row.dataset.id === opened.dataset.id; });
      next = list.slice(at + 1).concat(list.slice(0, Math.max(at, 0)).reverse()).find(function (row) { return ids.indexOf(row.dataset.id) < 0; });
    } else if (leaving && ids.length === 1) {
      var from = rows(), place = from.findIndex(function (row) { return row.dataset.id === ids[0]; });
      if (from[place + 1] || from[place - 1]) mark(from[place + 1] || from[place - 1]);
    }
    htmx.ajax("POST", "/messages", { source: "#rooms", swap: "none", values: values }).then(function () {
      if (leaving && opened && ids.indexOf(opened.dataset.id) >= 0) {
        if (next && window.matchMedia("(min-width: 761px)").matches) { mark(next, false); open(next); } else close();
      }
      $("#said").textContent = name === "delete" ? "Deleted" : "Marked as " + name;
    });
  }

  function chosen() {
    var boxes = all("#list input[name=id]:checked").map(function (box) { return box.value; });
    if (boxes.length) return boxes;
    var row = document.activeElement && document.activeElement.closest("#list .row");
    if (row) return [row.dataset.id];
    if (message()) return [message().dataset.id];
    return marked ? [marked] : [];
  }

  // ── keys ──

  var keys = {
    j: function () { move(1); },
    k: function () { move(-1); },
    o: function () { open(markedRow()); },
    "/": function () { $("#search").focus(); $("#search").select(); },
    d: function () { deed("delete", chosen()); },
    u: function () { deed("unread", chosen()); },
    x: function () {
      var row = markedRow(), box = row && $("input", row);
      if (box) { box.checked = !box.checked; count(); }
    },
    "?": function () { window.location.assign("/help"); },
    Escape: function () { if (message()) close(); }
  };

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    var view = /^[0-9]$/.test(event.key) && $(".views [data-key='" + event.key + "']");
    if (view) { event.preventDefault(); view.click(); return; }
    if (Object.prototype.hasOwnProperty.call(keys, event.key)) { event.preventDefault(); keys[event.key](); }
  });

  // ── clicks ──

  document.addEventListener("click", function (event) {
    var at = function (selector) { return event.target.closest(selector); };
    var theme = at("[data-theme-button]"), width = at("[data-width]"), copy = at("[data-copy]"), button = at("form.one button");
    if (theme) {
      var dark = document.documentElement.dataset.theme === "dark" ||
        (!document.documentElement.dataset.theme && window.matchMedia("(prefers-color-scheme: dark)").matches);
      document.documentElement.dataset.theme = dark ? "light" : "dark";
      try { localStorage.setItem("theme", document.documentElement.dataset.theme); } catch (error) { /* it holds for this page */ }
    }
    if (width) {
      all("[data-width]").forEach(function (each) { each.setAttribute("aria-pressed", String(each === width)); });
      $(".stage").classList.toggle("narrow", Boolean(width.dataset.width));
      $(".stage iframe").style.width = width.dataset.width ? width.dataset.width + "px" : "";
    }
    if (copy) {
      navigator.clipboard.writeText(copy.dataset.copy).then(function () { copy.textContent = "Copied"; });
    }
    var add = at("[data-add]"), box = $("#faults");
    if (add && box) box.value = (box.value.trim() ? box.value.trim() + "\n" : "") + add.dataset.add;
    if (at("[data-remote]")) setTimeout(function () { var note = $(".remote"); if (note) note.textContent = "Loaded from elsewhere."; }, 0);
    if (button) { event.preventDefault(); deed(button.value, [message().dataset.id]); }
    var everything = at("[data-everything]");
    if (everything) {
      event.preventDefault();
      if (window.confirm("Delete all " + everything.dataset.everything + " messages of this list?")) {
        var form = $("#deeds"), values = { deed: "delete", all: "1", q: $("[name=q]", form).value };
        if ($("[name=in]", form)) values["in"] = $("[name=in]", form).value;
        htmx.ajax("POST", "/messages", { source: "#rooms", swap: "none", values: values }).then(function () { if (message()) close(); });
      }
    }
  });

  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-choose-all]")) {
      all("#list input[name=id]").forEach(function (box) { box.checked = event.target.checked; });
    }
    count();
  });

  document.body.addEventListener("htmx:afterSettle", function (event) {
    settle();
    if (event.target && event.target.id === "message") {
      var row = rows().find(function (each) { return message() && each.dataset.id === message().dataset.id; });
      if (row) { row.classList.remove("unread"); mark(row, false); }
      var title = $("#subject");
      if (title) document.title = title.textContent + " · Eilpost";
      if (title && window.matchMedia("(max-width: 760px)").matches) title.focus();
    }
  });
  document.body.addEventListener("changed", refresh);
  document.body.addEventListener("htmx:responseError", function (event) {
    $("#said").textContent = "That did not work";
    if (event.detail.xhr.status === 404) refresh();
  });

  settle();
  if ($("#list[hx-get]")) listen();
})();

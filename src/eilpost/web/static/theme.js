// Before anything is drawn: light or dark, as it was chosen last.
(function () {
  "use strict";
  try {
    var theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) { /* Storage may be forbidden; the system's choice holds. */ }
})();

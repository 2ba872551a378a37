// Lets the browser make a passkey, or answer with one: asks our server for the question, hands it to
// the device, sends the answer back. Works by keyboard: a button with data-passkey starts it.
(function () {
  "use strict";

  var said = document.getElementById("passkey-said");
  var buttons = document.querySelectorAll("[data-passkey]");
  var busy = false;

  function say(text) {
    if (!said) return;
    said.textContent = text ? "■ " + text : "";
    said.hidden = !text;
    if (text) said.focus();
  }

  function bytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    var found = new Uint8Array(plain.length);
    for (var i = 0; i < plain.length; i++) found[i] = plain.charCodeAt(i);
    return found.buffer;
  }

  function text(buffer) {
    var plain = "";
    var found = new Uint8Array(buffer);
    for (var i = 0; i < found.length; i++) plain += String.fromCharCode(found[i]);
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function listed(some) {
    return (some || []).map(function (one) {
      return Object.assign({}, one, { id: bytes(one.id) });
    });
  }

  function post(path, body) {
    return fetch(path, {
      method: "POST",
      credentials: "same-origin",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify(body)
    }).then(function (answer) {
      return answer.json().then(function (told) {
        if (!answer.ok) {
          var wrong = new Error(told.detail || String(answer.status));
          wrong.told = true;
          wrong.code = told.code;
          throw wrong;
        }
        return told;
      });
    });
  }

  function make(question) {
    question.challenge = bytes(question.challenge);
    question.user.id = bytes(question.user.id);
    question.excludeCredentials = listed(question.excludeCredentials);
    return navigator.credentials.create({ publicKey: question }).then(function (made) {
      return {
        id: made.id,
        rawId: text(made.rawId),
        type: made.type,
        response: {
          clientDataJSON: text(made.response.clientDataJSON),
          attestationObject: text(made.response.attestationObject)
        },
        clientExtensionResults: made.getClientExtensionResults()
      };
    });
  }

  function use(question) {
    question.challenge = bytes(question.challenge);
    question.allowCredentials = listed(question.allowCredentials);
    return navigator.credentials.get({ publicKey: question }).then(function (found) {
      var by = found.response.userHandle;
      return {
        id: found.id,
        rawId: text(found.rawId),
        type: found.type,
        response: {
          clientDataJSON: text(found.response.clientDataJSON),
          authenticatorData: text(found.response.authenticatorData),
          signature: text(found.response.signature),
          userHandle: by ? text(by) : null
        },
        clientExtensionResults: found.getClientExtensionResults()
      };
    });
  }

  function value(id) {
    var field = document.getElementById(id);
    return field ? field.value.trim() : "";
  }

  function explain(error) {
    if (error.told) return error.message;
    if (error.name === "NotAllowedError") {
      return "没有完成：已取消、超时，或这台设备上没有本站的密钥。 Not done: cancelled, too late, or no passkey of this site here.";
    }
    if (error.name === "InvalidStateError") {
      return "这台设备已经登记过。 This device has a passkey of yours already.";
    }
    if (error.name === "SecurityError") {
      return "地址不对：请用管理员给的名称打开本页。 Open this page by its public name.";
    }
    return "没有完成。 Not done: " + error.name;
  }

  function start(button) {
    var purpose = button.getAttribute("data-passkey");
    var makes = purpose === "register" || purpose === "enrol";
    var path = makes ? "add" : purpose;
    var asked = { purpose: purpose };
    if (purpose === "sign-in") asked.name = value("name");
    if (purpose === "enrol") asked.code = value("code");
    if (busy) return;
    busy = true;
    say("");
    post("/passkeys/ask", asked)
      .then(makes ? make : use)
      .then(function (answer) {
        var told = { answer: answer };
        if (makes) told.label = value("label");
        if (purpose === "enrol") told.code = asked.code;
        if (button.hasAttribute("data-next")) told.next = button.getAttribute("data-next");
        return post("/passkeys/" + path, told);
      })
      .then(function (done) { window.location.assign(done.next); })
      .catch(function (error) { say(explain(error)); })
      .then(function () { busy = false; });
  }

  buttons.forEach(function (button) {
    if (!window.PublicKeyCredential) {
      button.disabled = true;
      say("这个浏览器或地址不支持通行密钥。 No passkeys in this browser, or at this address.");
      return;
    }
    button.addEventListener("click", function () { start(button); });
  });
}());

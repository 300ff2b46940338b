// What tests/test_smime_thunderbird.py runs inside of Thunderbird: its keys, then each letter through its own S/MIME.
// arguments: the folder, names of PKCS #12 files, names of letters.  Answers with {letter: {signed, encrypted, text}}.
const [folder, keys, letters, done] = arguments;
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");

function file(name) {
  const f = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  f.initWithPath(folder + "/" + name);
  return f;
}

async function trust() {
  const db = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
  for (const k of keys)
    if (db.importPKCS12File(file(k), "secret") != 0) throw new Error("cannot import " + k);
  const pem = await IOUtils.readUTF8(folder + "/ca.crt");
  db.addCertFromBase64(pem.replace(/-----.*-----|\s/g, ""), "CTu,CTu,CTu");
}

// The way of a letter to its window: libmime, with a sink for what S/MIME says.  Certificates are checked on a thread
// of their own, so a signature is waited for.
function show(name, signed) {
  return new Promise((resolve) => {
    const said = { signed: null, encrypted: null, text: "" };
    let over = false;
    const end = () => { if (over && (said.signed !== null || !signed)) resolve(said); };
    const listener = {
      QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
      onStartRequest() {},
      onDataAvailable(request, stream, offset, n) {
        const in_ = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
        in_.init(stream);
        said.text += in_.read(n);
      },
      onStopRequest() { over = true; end(); setTimeout(() => resolve(said), 20000); },
    };
    const channel = Services.io.newChannelFromURI(
      Services.io.newURI("mailbox://" + folder + "/" + name + "?number=0"), null, Services.scriptSecurityManager.getSystemPrincipal(), null,
      Ci.nsILoadInfo.SEC_ALLOW_CROSS_ORIGIN_SEC_CONTEXT_IS_NULL, Ci.nsIContentPolicy.TYPE_OTHER);
    channel.QueryInterface(Ci.nsIMailChannel).smimeSink = {
      QueryInterface: ChromeUtils.generateQI(["nsIMsgSMIMESink"]),
      maxWantedNesting: () => 9,
      signedStatus(level, status) { said.signed = status; end(); },
      encryptionStatus(level, status) { said.encrypted = status; },
      resetEncryptedURI() {},
      ignoreStatusFrom() {},
    };
    channel.asyncOpen(Cc["@mozilla.org/streamConverters;1"].getService(Ci.nsIStreamConverterService)
      .asyncConvertData("message/rfc822", "text/html", listener, channel));
  });
}

(async () => {
  await trust();
  const said = {};
  for (const [name, signed] of letters) said[name] = await show(name, signed);
  done(said);
})().catch((e) => done(String(e)));

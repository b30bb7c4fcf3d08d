// Who writes through oplogsync: the documents and the managed oplog of a primary.
// Run it as somebody who may make roles and users: mongosh "mongodb://HOST/?replicaSet=SET" -u admin source-primary.js
// The databases that are written.
var databases = ["shop"];
// true: the node's uri names no database. false: it names the one above.
var wholeServer = true;
var user = "oplogsync-primary"; // made if there is none yet, with a password that is asked for

load(require("path").join(__dirname, "make-role.js"));
makeRole("source-primary", { databases, wholeServer, user });

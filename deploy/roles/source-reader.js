// Who follows a replica set by change streams, and copies from it.
// Run it as somebody who may make roles and users: mongosh "mongodb://HOST/?replicaSet=SET" -u admin source-reader.js
// The database that is followed; [""] stands for all, and is needed for several: their stream is that of the whole set.
var databases = ["shop"];
// true: the node's uri names no database. false: it names the one above.
var wholeServer = true;
var user = "oplogsync-source"; // made if there is none yet, with a password that is asked for

load(require("path").join(__dirname, "make-role.js"));
makeRole("source-reader", { databases, wholeServer, user });

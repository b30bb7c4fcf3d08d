// Who applies to a replica.
// Run it as somebody who may make roles and users: mongosh "mongodb://HOST/?replicaSet=SET" -u admin target-applier.js
// The databases that are applied to, by their names on this server.
var databases = ["shop"];
// true: the node's uri names no database. false: it names the one above.
var wholeServer = true;
var user = "oplogsync-target"; // made if there is none yet, with a password that is asked for

load(require("path").join(__dirname, "make-role.js"));
makeRole("target-applier", { databases, wholeServer, user });

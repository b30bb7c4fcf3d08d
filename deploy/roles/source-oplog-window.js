// For `oplogsync check` only: lets the user of source-reader.js see how far back the server's oplog reaches. It holds all
// that is written on the server, of all databases.
// Run it as somebody who may make roles and users: mongosh "mongodb://HOST/?replicaSet=SET" -u admin source-oplog-window.js
var user = "oplogsync-source";

load(require("path").join(__dirname, "make-role.js"));
makeRole("source-oplog-window", { databases: [], wholeServer: true, user });

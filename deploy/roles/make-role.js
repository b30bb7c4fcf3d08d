// For the scripts beside it: makes the role of NAME.json, or brings it up to date, and a user who has it.
var makeRole = (name, { databases, wholeServer, user }) => {
  if (!wholeServer && (databases.length !== 1 || databases[0] === "")) {
    throw new Error("a node that is one database has exactly one in `databases`");
  }
  const [ownDatabase, ownPrefix] = wholeServer ? ["oplogsync", ""] : [databases[0], "oplogsync."];
  const fillIn = (privilege) => {
    const { resource, actions } = privilege;
    if (resource.db === "DATABASE") {
      return databases.map((db) => ({ resource: { db, collection: resource.collection }, actions }));
    }
    if (resource.db === "OWN_DATABASE") {
      const collection = resource.collection.replace("OWN_PREFIX", ownPrefix);
      return [{ resource: { db: ownDatabase, collection }, actions }];
    }
    return [privilege];
  };
  const file = require("path").join(__dirname, `${name}.json`);
  const { createRole: role, privileges, roles } = JSON.parse(require("fs").readFileSync(file, "utf8"));
  const writes = privileges.some(({ resource, actions }) => resource.db === "DATABASE" && actions.includes("insert"));
  if (writes && databases.includes("")) {
    throw new Error("name the databases that are written: all of them would be `admin` too");
  }
  const definition = { privileges: privileges.flatMap(fillIn), roles };
  const admin = db.getSiblingDB("admin");
  if (admin.getRole(role)) {
    admin.updateRole(role, definition);
  } else {
    admin.createRole({ role, ...definition });
  }
  if (admin.getUser(user)) {
    admin.grantRolesToUser(user, [role]);
  } else {
    print(`the password of the new user ${user}:`);
    admin.createUser({ user, pwd: passwordPrompt(), roles: [role] });
  }
  print(`${user} has the role ${role}: use it with authSource=admin`);
};

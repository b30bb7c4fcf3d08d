// The seed's algorithm: the same mongoose calls, without its timers and its messages.
// node sync.mjs MASTER_URI SLAVE_URI DATABASE inserts|mix COUNT
// Prints how many operations the slave took over and how long master and slave took, as JSON.
import mongoose from 'mongoose';

const [masterUri, slaveUri, dbName, kind, count] = process.argv.slice(2);
const documents = [];

const dataSchema = new mongoose.Schema({ data: String, createdAt: Date });
const oplogSchema = new mongoose.Schema({
  op: String,
  dataId: mongoose.Types.ObjectId,
  dataContent: String,
  timestamp: { type: Date, default: Date.now },
});

async function connect(uri, role) {
  const connection = await mongoose.createConnection(uri, { dbName: `${dbName}_${role}` }).asPromise();
  return {
    connection,
    Data: connection.model('Data', dataSchema),
    Oplog: connection.model('Oplog', oplogSchema),
  };
}

// About 200 bytes, as in the other rows.
const content = (n) => `Val-${n}-`.padEnd(150, 'x');

async function log(master, op, dataId, dataContent) {
  await new master.Oplog({ op, dataId, dataContent }).save();
}

async function masterWrite(master, n) {
  const doc = new master.Data({ data: content(n), createdAt: new Date() });
  await doc.save();
  documents.push(doc._id);
  await log(master, 'insert', doc._id, doc.data);
}

// Updates and deletes as the seed would have them: it only has the comment "Extend here".
async function masterChange(master, n) {
  if (n % 10 === 9) {
    const _id = documents.shift();
    await master.Data.deleteOne({ _id });
    await log(master, 'delete', _id, null);
  } else {
    const _id = documents[n % documents.length];
    await master.Data.updateOne({ _id }, { data: content(n) });
    await log(master, 'update', _id, content(n));
  }
}

async function slaveSync(master, slave) {
  const ops = await master.Oplog.find({ timestamp: { $gt: new Date(0) } }).sort('timestamp');
  for (const op of ops) {
    if (op.op === 'insert') {
      const exists = await slave.Data.exists({ _id: op.dataId });
      if (!exists) {
        await slave.Data.create({ _id: op.dataId, data: op.dataContent, createdAt: op.timestamp });
      }
    } else if (op.op === 'update') {
      await slave.Data.updateOne({ _id: op.dataId }, { data: op.dataContent });
    } else {
      await slave.Data.deleteOne({ _id: op.dataId });
    }
  }
  return ops.length;
}

async function timed(work) {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

const master = await connect(masterUri, 'master');
const slave = await connect(slaveUri, 'slave');
// mongoose makes collections and indexes when it connects: not counted.
for (const { Data, Oplog } of [master, slave]) {
  await Promise.all([Data.init(), Oplog.init()]);
}
const isMix = kind === 'mix';
const [, write_ms] = await timed(async () => {
  for (let n = 0; n < Number(count); n += 1) {
    const isChange = isMix && [2, 5, 8, 9].includes(n % 10);
    await (isChange ? masterChange(master, n) : masterWrite(master, n));
  }
});
const [operations, sync_ms] = await timed(() => slaveSync(master, slave));
const [ours, theirs] = [await master.Data.countDocuments(), await slave.Data.countDocuments()];
if (ours !== theirs) {
  throw new Error(`the slave holds ${theirs} documents, the master ${ours}`);
}
for (const { connection } of [master, slave]) {
  await connection.dropDatabase();
  await connection.close();
}
console.log(JSON.stringify({ operations, write_ms, sync_ms }));

"""An application that knows nothing of oplogsync: a seeded mix of everything that MongoDB's drivers do to data.

shop.py work URI SEED OPERATIONS    writes, and prints how many operations are done
shop.py compare URI URI             fails unless two deployments hold the same
"""

import datetime
import decimal
import random
import sys
import threading
import time

import bson
import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    CollectionInvalid,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
)
from pymongo.write_concern import WriteConcern

WORKERS = 4
KEYS = 400
OURS = {"admin", "local", "config", "oplogsync"}


def value(rng, depth=0):
    """A value of any type that a document has."""
    kinds = 16 if depth < 3 else 12
    kind = rng.randrange(kinds)
    if kind == 0:
        return rng.randint(-(2**31), 2**31 - 1)
    if kind == 1:
        return bson.Int64(rng.randint(-(2**63), 2**63 - 1))
    if kind == 2:
        return rng.choice([0.0, -0.0, 1.5, 1e300, float("inf"), -2.25])
    if kind == 3:
        return rng.choice(["", "x", "naïve", "\N{SNOWMAN}", "a.b", "$set", "y" * rng.randrange(200)])
    if kind == 4:
        return rng.random() < 0.5
    if kind == 5:
        return None
    if kind == 6:
        return datetime.datetime(2026, 1, 1) + datetime.timedelta(milliseconds=rng.randrange(10**10))
    if kind == 7:
        return bson.ObjectId(rng.randbytes(12))
    if kind == 8:
        return bson.Binary(rng.randbytes(rng.randrange(40)), rng.choice([0, 4, 128]) if rng.random() < 0.5 else 0)
    if kind == 9:
        return bson.Decimal128(decimal.Decimal(rng.randrange(10**9)).scaleb(-3))
    if kind == 10:
        return bson.Regex("^a.*" + str(rng.randrange(9)), "i")
    if kind == 11:
        return bson.Timestamp(rng.randrange(1, 2**31), rng.randrange(1, 9))
    if kind < 14:
        return [value(rng, depth + 1) for _ in range(rng.randrange(6))]
    return {"f%d" % n: value(rng, depth + 1) for n in range(rng.randrange(5))}


def document(rng, key):
    return {
        "_id": key,
        "n": rng.randrange(1000),
        "tags": [rng.choice("abcdefgh") for _ in range(rng.randrange(8))],
        "items": [{"sku": n, "qty": rng.randrange(9), "at": {"x": n}} for n in range(rng.randrange(7))],
        "nested": {"a": {"b": {"c": rng.randrange(99)}, "list": [1, 2, 3]}, "v": value(rng)},
        "any": value(rng),
        "seen": datetime.datetime(2020, 1, 1),
    }


def update(rng):
    """An update of any kind."""
    n = rng.randrange(7)
    return rng.choice(
        [
            lambda: ({"$set": {"nested.a.b.c": rng.randrange(99), "any": value(rng)}}, {}),
            lambda: ({"$inc": {"n": 1, "nested.a.count": 2}}, {}),
            lambda: ({"$unset": {"any": ""}, "$set": {"late%d" % n: value(rng)}}, {}),
            lambda: ({"$push": {"tags": {"$each": ["p", "q"], "$slice": -9}}}, {}),
            lambda: ({"$push": {"tags": {"$each": ["0"], "$position": 0}}}, {}),
            lambda: ({"$push": {"items": {"$each": [{"sku": n, "qty": n}], "$sort": {"qty": -1}, "$slice": 8}}}, {}),
            lambda: ({"$pull": {"tags": rng.choice("abcdefghpq")}}, {}),
            lambda: ({"$pop": {"items": rng.choice([1, -1])}}, {}),
            lambda: ({"$addToSet": {"tags": {"$each": [rng.choice("abcxyz"), "z"]}}}, {}),
            lambda: ({"$set": {"items.$[i].qty": rng.randrange(99)}}, {"array_filters": [{"i.qty": {"$gt": 3}}]}),
            lambda: ({"$inc": {"items.$[].qty": 1}}, {}),
            lambda: ({"$set": {"tags.%d" % n: "at%d" % n}}, {}),
            lambda: ({"$set": {"items.%d.at.y" % n: value(rng)}}, {}),
            lambda: ({"$rename": {"nested.v": "nested.w"}}, {}),
            lambda: ({"$mul": {"n": 3}, "$min": {"low": n}, "$max": {"high": n}}, {}),
            lambda: ({"$bit": {"bits": {"xor": n}}, "$currentDate": {"seen": True}}, {}),
            lambda: ([{"$set": {"sum": {"$add": [{"$ifNull": ["$n", 0]}, 1]}}}, {"$unset": ["late%d" % n]}], {}),
            lambda: ([{"$replaceWith": {"$mergeObjects": [{"front": n}, "$$ROOT"]}}], {}),
            lambda: ([{"$set": {"tags": {"$cond": [{"$isArray": "$tags"}, {"$reverseArray": "$tags"}, []]}}}], {}),
        ]
    )()


class Worker(threading.Thread):
    """One of the application's threads, with collections of its own and some that all share."""

    def __init__(self, uri, seed, number, operations, counter):
        super().__init__(daemon=True)
        self.rng = random.Random("%d/%d" % (seed, number))
        self.client = pymongo.MongoClient(uri, retryWrites=True, serverSelectionTimeoutMS=90_000)
        self.number, self.operations, self.counter = number, operations, counter
        self.failure = None
        self.made = 0

    def run(self):
        try:
            done = 0
            while done < self.operations:
                step = self.some_step()
                done += step
                self.counter(step)
        except BaseException as failure:
            self.failure = failure
            raise

    def some_step(self):
        """Does one thing, again until the servers have taken it; how many operations it was."""
        what = self.rng.choices(
            [self.one, self.many, self.bulk, self.transaction, self.change_structure], [60, 10, 20, 9, 1]
        )[0]
        state = self.rng.getstate()
        for _ in range(200):
            try:
                return what()
            except (DuplicateKeyError, CollectionInvalid):
                return 1
            except BulkWriteError as error:
                if all(failed.get("code") == 11000 for failed in error.details["writeErrors"]):
                    return 1
                raise
            except (ConnectionFailure, ExecutionTimeout):
                pass
            except OperationFailure as error:
                # What an update cannot do to the document at hand, a name that is taken, what is gone.
                if error.code in HARMLESS:
                    return 1
                if error.code not in RETRIED and not error.has_error_label("TransientTransactionError"):
                    raise
            self.rng.setstate(state)
            time.sleep(0.05)
        raise RuntimeError("the servers do not take it")

    def collection(self):
        name = self.rng.choice(["orders", "stock", "people%d" % self.number, "log%d" % self.number])
        database = self.client[self.rng.choice(["shop", "shop", "crm"])]
        concern = WriteConcern(self.rng.choice([1, "majority"]))
        return database.get_collection(name, write_concern=concern)

    def key(self):
        key = self.rng.randrange(KEYS)
        return self.rng.choice([key, key, key, "k%d" % key, {"k": key, "w": self.number}, float(key) + 0.5])

    def one(self):
        rng, there = self.rng, self.collection()
        kind = rng.randrange(10)
        if kind < 3:
            there.insert_one(document(rng, self.key()))
        elif kind < 7:
            change, options = update(rng)
            there.update_one({"_id": self.key()}, change, upsert=rng.random() < 0.2 and not options, **options)
        elif kind == 7:
            key = self.key()
            there.replace_one({"_id": key}, document(rng, key), upsert=rng.random() < 0.5)
        elif kind == 8:
            change, options = update(rng)
            there.find_one_and_update({"_id": self.key()}, change, return_document=ReturnDocument.AFTER, **options)
        else:
            there.delete_one({"_id": self.key()})
        return 1

    def many(self):
        rng, there = self.rng, self.collection()
        low = rng.randrange(KEYS)
        some = {"_id": {"$gte": low, "$lt": low + 20}}
        kind = rng.randrange(4)
        if kind == 0:
            return there.delete_many({"_id": {"$gte": low, "$lt": low + 5}}).deleted_count or 1
        if kind == 1:
            documents = [document(rng, bson.ObjectId()) for _ in range(20)]
            return len(there.insert_many(documents, ordered=rng.random() < 0.5).inserted_ids)
        if kind == 2:
            return there.delete_many({"_id": {"$type": "objectId"}, "n": {"$lt": 300}}).deleted_count or 1
        change, options = update(rng)
        return there.update_many(some, change, **options).modified_count or 1

    def bulk(self):
        rng, there = self.rng, self.collection()
        requests = []
        for _ in range(rng.randrange(2, 40)):
            kind, key = rng.randrange(4), self.key()
            if kind == 0:
                requests.append(InsertOne(document(rng, key)))
            elif kind == 1:
                requests.append(UpdateOne({"_id": key}, {"$set": {"any": value(rng), "n": rng.randrange(50)}}, upsert=True))
            elif kind == 2:
                requests.append(ReplaceOne({"_id": key}, document(rng, key), upsert=True))
            else:
                requests.append(DeleteOne({"_id": key}))
        there.bulk_write(requests, ordered=False)
        return len(requests)

    def transaction(self):
        rng = self.rng
        done = 0
        with self.client.start_session() as session:
            session.start_transaction(write_concern=WriteConcern("majority"))
            for _ in range(rng.randrange(2, 12)):
                there = self.collection().with_options(write_concern=WriteConcern())
                change = {"$inc": {"moved": 1}, "$push": {"tags": {"$each": ["t"], "$slice": 9}}}
                there.update_one({"_id": self.key()}, change, upsert=True, session=session)
                if rng.random() < 0.3:
                    there.delete_one({"_id": self.key()}, session=session)
                    done += 1
                done += 1
            if rng.random() < 0.1:
                session.abort_transaction()
            else:
                session.commit_transaction()
        return done

    def change_structure(self):
        rng, database = self.rng, self.client["shop"]
        self.made += 1
        mine = "made%d_%d" % (self.number, self.made)
        kind = rng.randrange(9)
        if kind == 0:
            database.create_collection(mine, collation={"locale": "en", "strength": 2})
            database[mine].insert_many([{"_id": n, "name": "N%d" % n} for n in range(10)])
        elif kind == 1:
            rule = {"$jsonSchema": {"required": ["name"]}}
            database.create_collection(mine, validator=rule, validationAction="warn")
            database[mine].insert_one({"_id": 1, "other": True})
        elif kind == 2:
            self.collection().create_index([("n", 1), ("tags", -1)], name="n_tags")
        elif kind == 3:
            database["people%d" % self.number].create_index("seen", expireAfterSeconds=10**9)
        elif kind == 4:
            self.collection().drop_index("n_tags")
        elif kind == 5:
            old = [name for name in database.list_collection_names() if name.startswith("made%d_" % self.number)]
            if old:
                database[rng.choice(old)].drop()
        elif kind == 6:
            database["log%d" % self.number].rename("made%d_%d" % (self.number, self.made), dropTarget=True)
        elif kind == 7:
            name = "scratch%d" % self.number
            self.client[name]["a"].insert_many([{"_id": n} for n in range(5)])
            if rng.random() < 0.6:
                self.client.drop_database(name)
        else:
            there = self.collection().name
            database.command("collMod", there, validationLevel=rng.choice(["off", "moderate", "strict"]))
        return 1


# BadValue, TypeMismatch, ConflictingUpdateOperators, NamespaceNotFound, IndexNotFound, PathNotViable, NonExistentPath,
# NamespaceExists, IndexOptionsConflict, IndexKeySpecsConflict, CannotBuildIndexKeys; $push and $pop of no array.
HARMLESS = {2, 14, 40, 26, 27, 28, 48, 85, 86, 201, 16766, 15981, 34471, 28729, 40353, 52}
# WriteConflict, NoSuchTransaction, LockTimeout, stale and interrupted.
RETRIED = {112, 251, 24, 64, 91, 189, 10107, 13435, 11600, 11602, 262, 63, 117, 12586, 12587, 225, 256, 244}


def work(uri, seed, operations):
    lock, total = threading.Lock(), [0, 0]

    def count(step):
        with lock:
            total[0] += step
            if total[0] >= total[1]:
                total[1] = total[0] + 200
                print(total[0], flush=True)

    workers = [Worker(uri, seed, number, operations // WORKERS, count) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.failure for worker in workers):
        sys.exit("seed %d: %r" % (seed, [worker.failure for worker in workers]))
    # The last write is durable, so all of them are.
    end = pymongo.MongoClient(uri)["shop"].get_collection("end", write_concern=WriteConcern("majority"))
    end.replace_one({"_id": "end"}, {"operations": total[0]}, upsert=True)
    print(total[0], flush=True)


# A server writes them down when it is told something else about validation.
DEFAULTS = [("validator", {}), ("validationLevel", "strict"), ("validationAction", "error")]


def structure(database):
    """The collections of a database: their options, and their indexes by name."""
    found = {}
    for listed in database.list_collections():
        name = listed["name"]
        indexes = {}
        if listed["type"] == "collection":
            for index in database[name].list_indexes():
                index = dict(index)
                index.pop("ns", None)
                # Replicas keep the index, and never let it delete.
                if "expireAfterSeconds" in index:
                    index["expireAfterSeconds"] = "some"
                indexes[index["name"]] = {key: str(part) for key, part in index.items()}
        options = {key: option for key, option in listed["options"].items() if (key, option) not in DEFAULTS}
        found[name] = (listed["type"], str(options), indexes)
    return found


def compare(one, other):
    clients = [pymongo.MongoClient(uri) for uri in (one, other)]
    names = [sorted(set(client.list_database_names()) - OURS) for client in clients]
    if names[0] != names[1]:
        sys.exit("databases: %s, %s" % tuple(names))
    documents = 0
    for name in names[0]:
        databases = [client.get_database(name, codec_options=CodecOptions(RawBSONDocument)) for client in clients]
        structures = [structure(client[name]) for client in clients]
        if structures[0] != structures[1]:
            either = sorted(set(structures[0]) | set(structures[1]))
            pairs = [(it, structures[0].get(it), structures[1].get(it)) for it in either]
            sys.exit("%s: %s" % (name, [pair for pair in pairs if pair[1] != pair[2]]))
        for collection, (kind, _, _) in structures[0].items():
            if kind != "collection":
                continue
            found = [[it.raw for it in there[collection].find().sort("_id", 1)] for there in databases]
            if found[0] != found[1]:
                differ = [pair for pair in zip(*found) if pair[0] != pair[1]]
                shown = [bson.decode(raw) for raw in differ[0]] if differ else "one has more"
                sys.exit("%s.%s: %d and %d documents: %s" % (name, collection, len(found[0]), len(found[1]), shown))
            documents += len(found[0])
    print(documents)


if __name__ == "__main__":
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "work":
        work(arguments[0], int(arguments[1]), int(arguments[2]))
    else:
        compare(*arguments)

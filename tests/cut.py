"""What a power loss leaves behind: src/base/disk_record.h, cut anywhere.

The strictest model.  A flush of a file makes everything before it durable, of
that file only; a flush of a folder makes its names durable.  Of all else each
write may be there, be there in part, or be missing, whatever came after it;
and names are there up to any one of them.
"""
import os
import struct

HEAD = struct.Struct("<4sIQQQQ")
WRITE, TRUNCATE, FLUSH, CREATE, UNLINK, RENAME = range(1, 7)
MAGIC = b"WXRC"
MODES = ("nothing", "everything", "any")


def entries(path):
    """(end, op, inode, at, folder, data) for each whole entry.  A process that
    is killed in the middle of one leaves half of it, and did not do it."""
    whole = open(path, "rb").read()
    data = memoryview(whole)
    at = 0
    while at + HEAD.size <= len(data):
        magic, op, inode, offset, n, folder = HEAD.unpack_from(data, at)
        assert magic == MAGIC, f"the record is broken at {at}"
        end = at + HEAD.size + n
        if end > len(data):
            return
        if end < len(data) and data[end:end + 4] != MAGIC:
            at = whole.index(MAGIC, at + 4)
            continue
        at = end
        yield at, op, inode, offset, folder, data[at - n:at]


class File:
    def __init__(self):
        self.durable = bytearray()
        self.pending = []

    def apply(self, to, op, at, data):
        if op == TRUNCATE:
            if at < len(to):
                del to[at:]
            else:
                to.extend(bytes(at - len(to)))
            return
        if len(to) < at:
            to.extend(bytes(at - len(to)))
        to[at:at + len(data)] = data

    def flush(self):
        for op, at, data in self.pending:
            self.apply(self.durable, op, at, data)
        self.pending = []

    def after_loss(self, mode, chance):
        left = bytearray(self.durable)
        for op, at, data in self.pending:
            fate = {"nothing": 0, "everything": 3}.get(mode, chance.randrange(4))
            if fate == 1 and op == WRITE:       # torn: the first sectors
                self.apply(left, op, at, data[:chance.randrange(len(data) // 512 + 1) * 512])
            elif fate == 2 and op == WRITE:     # torn: the last sectors
                skip = chance.randrange(len(data) // 512 + 1) * 512
                if skip < len(data):
                    self.apply(left, op, at + skip, data[skip:])
            elif fate == 3:
                self.apply(left, op, at, data)
        return left


class Folder:
    def __init__(self):
        self.durable, self.now, self.pending = {}, {}, []

    @staticmethod
    def change(names, op):
        kind, name, what = op
        if kind == "set":
            names[name] = what
        elif kind == "move" and name in names:
            names[what] = names.pop(name)
        elif kind == "drop":
            names.pop(name, None)

    def do(self, *op):
        self.change(self.now, op)
        self.pending.append(op)

    def flush(self):
        self.durable, self.pending = dict(self.now), []

    def after_loss(self, mode, chance):
        names = dict(self.durable)
        upto = {"nothing": 0, "everything": len(self.pending)}.get(mode, chance.randint(0, len(self.pending)))
        for op in self.pending[:upto]:
            self.change(names, op)
        return names


def lose(record, upto, mode, chance):
    """{inode of folder: {name: bytes}} after a loss of power at `upto`."""
    files, folders = {}, {}
    for end, op, inode, at, folder, data in entries(record):
        if end > upto:
            break
        if op in (WRITE, TRUNCATE):
            files.setdefault(inode, File()).pending.append((op, at, data))
        elif op == FLUSH:
            if inode in files:
                files[inode].flush()
            if inode in folders:
                folders[inode].flush()
        else:
            f = folders.setdefault(folder, Folder())
            names = bytes(data).split(b"\0")
            if op == CREATE:
                if names[0] not in f.now:
                    files[inode] = File()
                    f.do("set", names[0], files[inode])
            elif op == UNLINK:
                f.do("drop", names[0], None)
            else:
                f.do("move", names[0], names[1])
    return {i: {name.decode(): file.after_loss(mode, chance) for name, file in f.after_loss(mode, chance).items()}
            for i, f in folders.items()}


def write_folder(path, like, files):
    """A folder with these files, owned by whoever owns `like`."""
    owner = os.stat(like)
    os.makedirs(path, exist_ok=True)
    os.chmod(path, owner.st_mode & 0o777)
    os.chown(path, owner.st_uid, owner.st_gid)
    for name, data in files.items():
        p = os.path.join(path, name)
        with open(p, "wb") as f:
            f.write(data)
        os.chmod(p, 0o600)
        os.chown(p, owner.st_uid, owner.st_gid)

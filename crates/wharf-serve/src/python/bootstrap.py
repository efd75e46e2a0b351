# Runs as `python -c`: takes the worker's modules from the socket at fd 0, so that no file has to be written.
import json, os, sys, types

def read(size):
    pieces = []
    while size:
        piece = os.read(0, size)
        if not piece:
            sys.exit("the model server closed the socket before the worker had started")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)

# Each in a module of its own: `__main__` belongs to the model, whose pickle may look for names there.
for name, source in json.loads(read(int.from_bytes(read(4), "little"))):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, "<" + name + ">", "exec"), module.__dict__)

run = sys.modules["_wharf_worker"].run
del json, os, sys, types, read, name, source, module
run()

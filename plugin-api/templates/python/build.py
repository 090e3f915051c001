"""Makes dist/{{name}}.wasm: a component with CPython inside and no WASI imports."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TOOL = pathlib.Path(sys.executable).with_name("componentize-py")


def main() -> None:
    output = HERE / "dist" / "{{name}}.wasm"
    output.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        wit = pathlib.Path(folder)
        # Our world with the contract beside it, as WIT tools want to find it.
        shutil.copy(HERE / "wit" / "world.wit", wit)
        (wit / "deps").mkdir()
        shutil.copy(HERE / "sdk" / "wit" / "pintle.wit", wit / "deps")
        command = [TOOL, "--wit-path", wit, "--world", "plugin"]
        subprocess.run(
            [*command, "componentize", "--stub-wasi", "plugin", "--python-path", HERE, "--output", output],
            check=True,
            cwd=folder,
        )
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()

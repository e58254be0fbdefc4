"""Starts moto, brought nearer to AWS by `patches/`, on the loopback interface.

    python launcher.py --port 0 --port-file PATH

The chosen port is written to PATH, whole or not at all, once connections are accepted. The process ends
with the process that started it, unless `--stay` is given.
"""

import argparse
import logging
import os
import select
import signal
import sys
import threading
import time
import warnings


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 (the default) lets the system choose")
    parser.add_argument("--port-file", help="where to write the chosen port")
    parser.add_argument("--parent-pid", type=int, help="end at once if the parent is another process")
    parser.add_argument("--stay", action="store_true", help="go on when the parent has ended")
    parser.add_argument("--verbose", action="store_true", help="log each request to standard error")
    parser.add_argument("--without", action="append", default=[], metavar="PATCH",
                        help="leave this patch out, to see the tests that need it fail")
    return parser.parse_args()


def end_with_parent(expected=None):
    """Ends this process when its parent ends.

    PR_SET_PDEATHSIG would do it in one call, but it fires when the *thread* that forked ends, and test
    runners start servers from short-lived threads. A pidfd waits for the process.
    """
    parent = os.getppid()
    if expected is not None and parent != expected:
        os._exit(0)

    def watch():
        try:
            descriptor = os.pidfd_open(parent)
        except (AttributeError, OSError):
            while os.getppid() == parent:
                time.sleep(0.5)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
        os._exit(0)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def publish(path, port):
    """Writes the port in one step: a reader never sees half of it."""
    unfinished = f"{path}.{os.getpid()}"
    with open(unfinished, "w", encoding="ascii") as file:
        file.write(f"{port}\n")
    os.replace(unfinished, path)


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if not options.stay:
        end_with_parent(options.parent_pid)
    warnings.simplefilter("ignore")  # moto warns of error codes that the service models lack
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "true")  # an unknown AMI is InvalidAMIID.NotFound

    import patches
    from bed import server as http
    from bed.app import application

    patches.load(options.without)
    server = http.make(options.port, application(), options.verbose)
    if options.port_file:
        publish(options.port_file, server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()

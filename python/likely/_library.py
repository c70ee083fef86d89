"""Finds and calls the shared library: its structures, contexts, errors as exceptions, and calls that Ctrl-C can stop."""
import ctypes
import os
import sys
import threading
import warnings
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint, c_void_p

HERE = os.path.dirname(os.path.realpath(__file__))
SONAME = "liblikely.so.0"


# ---- errors ----

class LikelyError(Exception):
    """What every error of the library is; its text names the offending value, its place and what would be right."""


class ArgumentError(LikelyError, ValueError):
    """An argument is out of its range."""


class OutOfMemoryError(LikelyError, MemoryError):
    """Out of memory."""


class FileError(LikelyError, OSError):
    """A file could not be read or written."""


class FormatError(LikelyError, ValueError):
    """A file does not follow its format."""


class DataError(LikelyError, ValueError):
    """The data cannot be used as asked."""


class CancelledError(LikelyError):
    """The call was stopped."""


class UnsupportedError(LikelyError, NotImplementedError):
    """The model does not offer this operation."""


class NumericError(LikelyError, ArithmeticError):
    """A computation left the range of numbers."""


class UnavailableError(LikelyError, RuntimeError):
    """An optional part is not present in this build."""


class NotFittedError(LikelyError, ValueError, AttributeError):
    """An estimator was asked before it was fitted."""


class LikelyWarning(UserWarning):
    """A remark of the library."""


class NotTrustedWarning(LikelyWarning):
    """A fit did not converge or is degenerate: its result stands, and is not to be trusted."""


# By the numbers of lk_status, which never change.
CANCELLED = 6
ERRORS = {1: ArgumentError, 2: OutOfMemoryError, 3: FileError, 4: FormatError, 5: DataError, 6: CancelledError, 7: UnsupportedError,
          8: NumericError, 9: UnavailableError}


# ---- structures of the public headers ----

class Setting(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class Roles(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("features", c_char_p), ("label", c_char_p), ("weight", c_char_p), ("id", c_char_p),
                ("ignore", c_char_p), ("partition", c_char_p)]


class FitOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("settings", POINTER(Setting)), ("roles", POINTER(Roles)), ("transform", c_char_p),
                ("start", c_void_p), ("holdout", c_double), ("folds", c_int64), ("seed", c_int64), ("calibrate", c_double),
                ("priors", c_char_p), ("target", c_char_p)]


class ReadOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("format", c_char_p), ("delimiter", ctypes.c_char), ("header", c_int), ("na", c_char_p),
                ("types", c_char_p), ("id", c_char_p)]


class ArrayColumn(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_int), ("values", c_void_p), ("stride", c_int64), ("levels", POINTER(c_char_p)),
                ("level_count", c_int64)]


class Evaluation(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("rows", c_double), ("mean_log_density", c_double), ("standard_error", c_double),
                ("coverage_50", c_double), ("coverage_90", c_double), ("pit_ks", c_void_p), ("pit_mean", c_void_p),
                ("pit_sd", c_void_p), ("labelled", c_double), ("accuracy", c_double), ("log_loss", c_double), ("brier", c_double),
                ("complete", c_double)]


class Modes(ctypes.Structure):
    _fields_ = [("count", c_int64), ("rows", c_int64), ("groups", c_int64), ("lost", c_int64), ("x", c_void_p),
                ("log_density", c_void_p), ("mass", c_void_p), ("mass_error", c_void_p), ("decrement", c_void_p),
                ("curvature", c_void_p), ("of_rows", c_void_p), ("of_groups", c_void_p)]


class SamplerOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("method", c_char_p), ("steps", c_int64), ("schedule", c_char_p), ("sigma_max", c_double),
                ("sigma_min", c_double), ("step_size", c_double), ("churn", c_double), ("order", c_int64), ("tolerance", c_double),
                ("weak", c_void_p), ("seed", c_int64)]


class SamplerReport(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("method", c_char_p), ("rows", c_int64), ("steps", c_int64), ("evaluations", c_double),
                ("sigma_max", c_double), ("sigma_min", c_double), ("step_size", c_double), ("acceptance", c_double), ("r_hat", c_double),
                ("effective", c_double), ("step_error", c_double), ("step_error_most", c_double), ("steps_saved", c_int64),
                ("start", c_double)]


class ReportOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("title", c_char_p), ("data", c_char_p), ("command", c_char_p), ("features", c_char_p),
                ("id", c_char_p), ("held_out", c_void_p), ("points", c_int64), ("strange", c_int64), ("seed", c_int64),
                ("weight", c_char_p)]


class TestOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("test", c_char_p), ("kernel", c_char_p), ("bandwidth", c_char_p), ("features", c_char_p),
                ("ignore", c_char_p), ("unscaled", c_int), ("permutations", c_int64), ("slices", c_int64), ("blocks", c_int64),
                ("seed", c_int64), ("refit", c_int)]


class Importance(ctypes.Structure):
    _fields_ = [("feature", c_int64), ("drop", c_double), ("standard_error", c_double)]


class ImportanceOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("target", c_char_p), ("weight", c_char_p), ("repeats", c_int64), ("seed", c_int64)]


class DetectOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("calibrate", c_void_p), ("draws", c_int64), ("seed", c_int64)]


class CompareOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("draws", c_int64), ("seed", c_int64)]


class Divergence(ctypes.Structure):
    _fields_ = [("estimate", c_double), ("error", c_double), ("lower", c_double), ("upper", c_double)]


class Comparison(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("draws", c_int64), ("kl", Divergence), ("kl_reverse", Divergence), ("js", Divergence),
                ("l2", c_double), ("l2_relative", c_double), ("wasserstein", c_double), ("components_a", c_int64),
                ("components_b", c_int64), ("plan", c_void_p), ("distances", c_void_p), ("unavailable", c_char_p)]


class SelectOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("count", c_int64), ("method", c_char_p), ("kernel", c_char_p), ("bandwidth", c_char_p),
                ("split", c_char_p), ("uniform", c_int), ("model", c_void_p), ("features", c_char_p), ("discrepancy", c_int),
                ("seed", c_int64),
                ("clusters", c_int64), ("loss", c_char_p), ("lambda", c_double)]


class IntervalOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("weight", c_char_p), ("level", c_double), ("method", c_int), ("draws", c_int64),
                ("seed", c_int64)]


class Interval(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("group", c_int64), ("row", c_int64), ("column", c_int64), ("estimate", c_double),
                ("standard_error", c_double), ("lower", c_double), ("upper", c_double)]


class Intervals(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("items", POINTER(Interval)), ("count", c_int64), ("parameters", c_int64),
                ("condition", c_double), ("distance", c_double), ("used", c_int64), ("unconverged", c_int64), ("left_out", c_int64)]


class RatioOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("draws", c_int64), ("alpha", c_double)]


class RatioStep(ctypes.Structure):
    _fields_ = [("components", c_int64), ("alternative", c_int64), ("log_likelihood", c_double),
                ("log_likelihood_alternative", c_double), ("statistic", c_double), ("p_value", c_double), ("used", c_int64),
                ("left_out", c_int64), ("unconverged", c_int64)]


class RatioTest(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("steps", POINTER(RatioStep)), ("count", c_int64), ("components", c_int64), ("ended", c_int),
                ("trusted", c_int)]


class StabilityOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("weight", c_char_p), ("share", c_double), ("draws", c_int64), ("seed", c_int64)]


class GroupStability(ctypes.Structure):
    _fields_ = [("size", c_double), ("jaccard", c_double), ("recovered", c_int64), ("dissolved", c_int64), ("draws", c_int64)]


class Stability(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("groups", POINTER(GroupStability)), ("count", c_int64), ("rand_mean", c_double),
                ("rand_low", c_double), ("rand_median", c_double), ("rand_high", c_double), ("used", c_int64),
                ("unconverged", c_int64), ("left_out", c_int64)]


PROGRESS = ctypes.CFUNCTYPE(None, c_void_p, c_char_p, c_double, c_double, c_char_p)
MESSAGE = ctypes.CFUNCTYPE(None, c_void_p, c_char_p)


class ContextOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("allocator", c_void_p), ("threads", c_int), ("memory", c_int64), ("progress", PROGRESS),
                ("progress_state", c_void_p), ("cancel", c_void_p), ("cancel_state", c_void_p), ("message", MESSAGE),
                ("message_state", c_void_p)]


def options(structure, **fields):
    """An options or result structure with its own size set. None leaves a field at zero, the default."""
    made = structure(size=ctypes.sizeof(structure))
    for name, value in fields.items():
        if value is not None:
            setattr(made, name, value.encode() if isinstance(value, str) else value)
    return made


# ---- the library ----

def candidates():
    """Where the library may be: LIKELY_LIBRARY, beside this package, the build folder of a checkout, wherever the loader looks."""
    named = os.environ.get("LIKELY_LIBRARY")
    if named:
        return [named]
    found = [os.path.join(HERE, SONAME)]
    checkout = os.path.dirname(os.path.dirname(HERE))
    if os.path.exists(os.path.join(checkout, "include", "likely", "likely.h")):
        found.append(os.path.join(checkout, "build", "src", SONAME))
    return [path for path in found if os.path.exists(path)] + [SONAME]


def load():
    tried = candidates()
    for path in tried:
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            last = error
    raise ImportError("the library of likely was not found: %s. Install it, or set LIKELY_LIBRARY to the path of %s" % (last, SONAME))


lib = load()

# name: (result, arguments); None = a status, checked by call(), after a context.
OUT = c_void_p
PROTOTYPES = {
    "lk_version": (c_char_p, []),
    "lk_context_new": (c_int, [POINTER(c_void_p), POINTER(ContextOptions)]),
    "lk_context_free": (None, [c_void_p]),
    "lk_context_cancel": (None, [c_void_p, c_int]),
    "lk_context_threads": (c_int, [c_void_p]),
    "lk_error_message": (c_char_p, [c_void_p]),
    "lk_free": (None, [c_void_p, c_void_p]),
    "lk_method_count": (c_int64, []),
    "lk_method_at": (c_void_p, [c_int64]),
    "lk_method_info": (c_int, [c_void_p, c_void_p, OUT]),
    "lk_operation_name": (c_char_p, [c_uint]),
    "lk_table_read": (c_int, [c_void_p, c_char_p, POINTER(ReadOptions), OUT]),
    "lk_table_from_columns": (c_int, [c_void_p, POINTER(ArrayColumn), c_int64, c_int64, OUT]),
    "lk_table_free": (None, [c_void_p]),
    "lk_table_rows": (c_int64, [c_void_p]),
    "lk_table_columns": (c_int64, [c_void_p]),
    "lk_table_name": (c_char_p, [c_void_p, c_int64]),
    "lk_table_type": (c_int, [c_void_p, c_int64]),
    "lk_table_levels": (c_int64, [c_void_p, c_int64]),
    "lk_table_level": (c_char_p, [c_void_p, c_int64, c_int64]),
    "lk_table_text": (c_char_p, [c_void_p, c_int64, c_double]),
    "lk_table_gather": (c_int, [c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int64, c_void_p]),
    "lk_table_describe": (c_int, [c_void_p, c_void_p, OUT]),
    "lk_model_fit": (c_int, [c_void_p, c_char_p, c_void_p, POINTER(FitOptions), OUT]),
    "lk_model_build": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(Setting), OUT]),
    "lk_model_free": (None, [c_void_p]),
    "lk_model_save": (c_int, [c_void_p, c_void_p, c_char_p]),
    "lk_model_load": (c_int, [c_void_p, c_char_p, OUT]),
    "lk_model_pack": (c_int, [c_void_p, c_void_p, OUT, OUT]),
    "lk_model_unpack": (c_int, [c_void_p, c_char_p, c_size_t, OUT]),
    "lk_model_info": (c_int, [c_void_p, c_void_p, OUT]),
    "lk_model_trusted": (c_int, [c_void_p]),
    "lk_model_operations": (c_uint, [c_void_p]),
    "lk_model_dimension": (c_int64, [c_void_p]),
    "lk_model_groups": (c_int64, [c_void_p]),
    "lk_model_noise_group": (c_int64, [c_void_p]),
    "lk_model_target": (c_int64, [c_void_p]),
    "lk_model_classes": (c_void_p, [c_void_p]),
    "lk_model_feature": (c_char_p, [c_void_p, c_int64]),
    "lk_model_columns": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "lk_model_log_density": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]),
    "lk_model_score": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]),
    "lk_model_responsibilities": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]),
    "lk_model_cdf": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p]),
    "lk_model_sample": (c_int, [c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p]),
    "lk_model_sample_classes": (c_int, [c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p]),
    "lk_model_marginal": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, OUT]),
    "lk_model_condition": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, OUT]),
    "lk_model_predict": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_void_p]),
    "lk_model_impute": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p]),
    "lk_model_impute_draws": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_int64, c_void_p]),
    "lk_model_smooth": (c_int, [c_void_p, c_void_p, c_void_p, OUT]),
    "lk_model_denoise": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p]),
    "lk_model_modes": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, OUT]),
    "lk_modes_free": (None, [c_void_p]),
    "lk_model_evaluate": (c_int, [c_void_p, c_void_p, c_void_p, c_char_p, POINTER(Evaluation)]),
    "lk_model_export": (c_int, [c_void_p, c_void_p, c_int, c_char_p, c_char_p]),
    "lk_model_compare": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(CompareOptions), POINTER(Comparison)]),
    "lk_model_intervals": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(IntervalOptions), POINTER(Intervals)]),
    "lk_model_ratio_test": (c_int, [c_void_p, c_char_p, c_void_p, POINTER(FitOptions), POINTER(RatioOptions), POINTER(RatioTest)]),
    "lk_model_stability": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(StabilityOptions), POINTER(Stability)]),
    "lk_sampler_new": (c_int, [c_void_p, c_void_p, POINTER(SamplerOptions), OUT]),
    "lk_sampler_rows": (c_int, [c_void_p, c_void_p, c_int64, c_int64, c_void_p]),
    "lk_sampler_tell": (None, [c_void_p, POINTER(SamplerReport)]),
    "lk_sampler_free": (None, [c_void_p]),
    "lk_detector_new": (c_int, [c_void_p, c_void_p, POINTER(DetectOptions), OUT]),
    "lk_detector_free": (None, [c_void_p, c_void_p]),
    "lk_detector_reference": (c_int, [c_void_p, POINTER(c_int64)]),
    "lk_detector_rows": (c_int, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p]),
    "lk_false_discovery_threshold": (c_int, [c_void_p, c_void_p, c_int64, c_double, POINTER(c_double)]),
    "lk_select": (c_int, [c_void_p, c_void_p, POINTER(SelectOptions), OUT]),
    "lk_report_json": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(ReportOptions), OUT]),
    "lk_report_html": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(ReportOptions), OUT]),
    "lk_report_write": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(ReportOptions), c_char_p]),
    "lk_model_importance": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(ImportanceOptions), OUT, POINTER(c_int64)]),
    "lk_test_two_samples": (c_int, [c_void_p, c_void_p, c_void_p, POINTER(TestOptions), OUT]),
    "lk_test_info": (c_int, [c_void_p, c_void_p, OUT]),
    "lk_test_free": (None, [c_void_p, c_void_p]),
    "lk_selection_rows": (c_int64, [c_void_p, OUT, OUT]),
    "lk_selection_info": (c_int, [c_void_p, c_void_p, OUT]),
    "lk_selection_free": (None, [c_void_p, c_void_p]),
}


def declare():
    for name, (result, arguments) in PROTOTYPES.items():
        try:
            function = getattr(lib, name)
        except AttributeError:
            raise ImportError("%s has no %s: it is older than this package; set LIKELY_LIBRARY to a newer one"
                              % (lib._name, name)) from None
        function.restype, function.argtypes = result, arguments


declare()


# ---- contexts ----

settings = {"threads": 0, "memory": 0, "progress": None}
generation = 0


def show_progress(stage, done, total, detail):
    """The progress line of `configure(progress=True)`."""
    share = " %3.0f%%" % (100 * done / total) if total > 0 else ""
    sys.stderr.write("\r%-70.70s" % ("%s%s %s" % (stage, share, detail)))
    sys.stderr.flush()


def configure(threads=None, memory=None, progress=None):
    """Sets how the library works from now on, in every thread of Python.

    threads: worker threads, 1 to 1024; 0 = all processors. Results do not depend on it.
    memory: bytes that data read from files may occupy before they are streamed; 0 = half of what is free.
    progress: a function of (stage, done, total, detail) that long calls report to; True prints a line to standard error; False = none.
    """
    global generation
    if threads is not None:
        settings["threads"] = int(threads)
    if memory is not None:
        settings["memory"] = int(memory)
    if progress is not None:
        settings["progress"] = show_progress if progress is True else (progress or None)
    generation += 1


class Context:
    """A context of the library, for one thread."""

    def __init__(self):
        self.generation = generation
        self.messages = []
        self.pointer = c_void_p()
        self.on_message = MESSAGE(lambda _, text: self.messages.append(text.decode("utf-8", "replace")))
        made = options(ContextOptions, threads=settings["threads"], memory=settings["memory"], message=self.on_message)
        report = settings["progress"]
        if report is not None:
            self.on_progress = PROGRESS(lambda _, stage, done, total, detail: report(stage.decode(), done, total,
                                                                                    detail.decode("utf-8", "replace")))
            made.progress = self.on_progress
        status = lib.lk_context_new(ctypes.byref(self.pointer), ctypes.byref(made))
        if status != 0:
            raise ERRORS[status]("threads are %(threads)d, 1 to 1024 (0 = all processors); memory is %(memory)d, bytes of at least 0"
                                 % settings)
        self.value = self.pointer.value

    def __del__(self):
        if lib is not None and self.pointer:
            lib.lk_context_free(self.pointer)


class Worker:
    """A thread that runs long calls for the main thread, which meanwhile can be interrupted."""

    def __init__(self):
        from _queue import SimpleQueue  # without what else `queue` imports
        self.jobs = SimpleQueue()
        threading.Thread(target=self.serve, name="likely", daemon=True).start()

    def serve(self):
        while True:
            job = self.jobs.get()
            job.started = True
            try:
                job.status = CANCELLED if job.abandoned else job.function(*job.arguments)
            except BaseException as error:  # a wrong argument: it belongs to the caller
                job.error, job.status = error, CANCELLED
            job.done.release()
            del job


class Job:
    __slots__ = ("function", "arguments", "status", "error", "started", "abandoned", "done")

    def __init__(self, function, arguments):
        self.function, self.arguments = function, arguments
        self.status, self.error, self.started, self.abandoned = None, None, False, False
        self.done = threading.Lock()
        self.done.acquire()


local = threading.local()
worker = None
main_thread = threading.main_thread().ident


def forget_worker():
    """A forked child has none of its parent's threads."""
    global worker, main_thread
    worker = None
    main_thread = threading.get_ident()
    local.__dict__.clear()


os.register_at_fork(after_in_child=forget_worker)


def context():
    """The context of this thread."""
    made = getattr(local, "context", None)
    if made is None or made.generation != generation:
        made = local.context = Context()
    return made


def interruptible(context_value, function, arguments):
    """Runs a call in the worker thread; an interrupt cancels it, waits for its end and goes on up."""
    global worker
    if worker is None:
        worker = Worker()
    job = Job(function, arguments)
    try:
        worker.jobs.put(job)
        job.done.acquire()
    except BaseException:
        job.abandoned = True
        lib.lk_context_cancel(context_value, 1)
        while job.started and job.status is None:
            try:
                job.done.acquire(timeout=0.05)
            except BaseException:
                continue
        lib.lk_context_cancel(context_value, 0)
        raise
    if job.error is not None:
        raise job.error
    return job.status


def fail(made, status):
    text = lib.lk_error_message(made.value).decode("utf-8", "replace")
    made.messages.clear()
    raise ERRORS.get(status, LikelyError)(text or "error %d" % status)


def remark(made):
    """The library's remarks as warnings of whoever called this package."""
    texts, made.messages[:] = list(made.messages), []
    for text in texts:
        warn(text, LikelyWarning)


def warn(text, category):
    level, frame = 2, sys._getframe(1)
    while frame is not None and os.path.dirname(frame.f_code.co_filename) in (HERE, os.path.dirname(__file__)):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def call(function, *arguments):
    """A call that may take long: with the global lock released, and stopped by Ctrl-C."""
    made = context()
    if threading.get_ident() == main_thread:
        status = interruptible(made.value, function, (made.value,) + arguments)
    else:
        status = function(made.value, *arguments)
    if status != 0:
        fail(made, status)
    if made.messages:
        remark(made)


def quick(function, *arguments):
    """A call that is over at once."""
    made = context()
    status = function(made.value, *arguments)
    if status != 0:
        fail(made, status)
    if made.messages:
        made.messages.clear()


def text_of(function, *arguments, run=quick):
    """The text that a call hands out."""
    out = c_void_p()
    run(function, *arguments, ctypes.byref(out))
    try:
        return ctypes.string_at(out.value).decode()
    finally:
        lib.lk_free(context().value, out)


def pointer_of(function, *arguments):
    """The object that a call makes."""
    out = c_void_p()
    call(function, *arguments, ctypes.byref(out))
    return out.value

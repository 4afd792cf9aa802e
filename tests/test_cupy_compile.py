# The CUDA source that CuPy generates compiles for every architecture

ARCHITECTURES = ("75", "120")                      # the oldest and the newest; `make slow` has those between


NDARRAY, INDEXER, SCALAR = 1, 2, 3   # CuPy's own numbers of the kinds of arguments
HEADERS = "#include <cupy/complex.cuh>\n#include <cupy/carray.cuh>\n"   # as CuPy puts before each kernel


def generated_source(kernel, dtype):
    """The CUDA text that CuPy itself makes of the kernel, as for contiguous arrays of that dtype."""
    from cupy._core import _kernel
    arguments = []
    scalars = {"step_size", "correction", "one_minus_beta1", "beta2", "one_minus_beta2", "epsilon",
               "scale"}
    parameters = kernel.in_params + kernel.out_params
    for p in parameters[:kernel.nin + kernel.nout]:
        kind = np.dtype(dtype if p.ctype == "T" else "int64").type
        is_array = p.raw or (p.ctype == "T" and p.name not in scalars)
        arguments.append(_kernel._ArgInfo(*((NDARRAY, cupy.ndarray, kind, 1, True, True) if is_array else
                                            (SCALAR, kind, kind, 0, False, False))))
    indexer = type("Indexer", (), {})
    arguments.append(_kernel._ArgInfo(INDEXER, indexer, None, 1, True, True))
    return _kernel._get_elementwise_kernel_code(
        tuple(arguments), _kernel._TypeMap((("T", np.dtype(dtype).type),)), kernel.params, kernel.operation,
        kernel.name, kernel.preamble)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on this machine")
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("architectures", [ARCHITECTURES, pytest.param(
    ("80", "90", "100"), marks=pytest.mark.slow)], ids=["oldest and newest", "between"])
def test_the_generated_cuda_compiles(name, dtype, architectures, tmp_path):
    module = importlib.import_module(f"scratch_lstm.kernels.cupy_{KERNELS[name]}")
    source = generated_source(getattr(module, name), dtype)
    (tmp_path / "kernel.cu").write_text(HEADERS + source)
    include = Path(cupy.__file__).parent / "_core" / "include"
    for architecture in architectures:
        made = subprocess.run(
            ["nvcc", "-cubin", f"-arch=sm_{architecture}", "-Xptxas=-v", "-std=c++17", f"-I{include}",
             "-o", tmp_path / "kernel.cubin", tmp_path / "kernel.cu"], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        registers = re.search(r"Used (\d+) registers", made.stderr)
        spills = re.search(r"(\d+) bytes spill stores", made.stderr)
        print(f"{name:13} {dtype} sm_{architecture}: {registers[1]} registers, {spills[1]} bytes spilled")
        assert spills[1] == "0"



#include "environments/conda_names.h"

#include <algorithm>
#include <array>

namespace roost::environments {
namespace {

struct Renamed {
  std::string_view conda;
  std::string_view pip;
};
constexpr std::array<Renamed, 24> kRenamed = {{{"pytorch", "torch"},
                                               {"pytorch-cpu", "torch"},
                                               {"pytorch-gpu", "torch"},
                                               {"torchvision-cpu", "torchvision"},
                                               {"tensorflow-gpu", "tensorflow"},
                                               {"tensorflow-base", "tensorflow"},
                                               {"matplotlib-base", "matplotlib"},
                                               {"seaborn-base", "seaborn"},
                                               {"opencv", "opencv-python-headless"},
                                               {"py-opencv", "opencv-python-headless"},
                                               {"py-xgboost", "xgboost"},
                                               {"py-xgboost-cpu", "xgboost"},
                                               {"python-graphviz", "graphviz"},
                                               {"pytables", "tables"},
                                               {"msgpack-python", "msgpack"},
                                               {"ruamel_yaml", "ruamel-yaml"},
                                               {"importlib_metadata", "importlib-metadata"},
                                               {"typing_extensions", "typing-extensions"},
                                               {"prompt_toolkit", "prompt-toolkit"},
                                               {"pyarrow-core", "pyarrow"},
                                               {"ray-core", "ray"},
                                               {"dask-core", "dask"},
                                               {"ipython_genutils", "ipython-genutils"},
                                               {"huggingface_hub", "huggingface-hub"}}};

// The same project under the same name in both worlds.
constexpr std::string_view kSame[] = {"absl-py",
                                      "accelerate",
                                      "adlfs",
                                      "albumentations",
                                      "attrs",
                                      "black",
                                      "bokeh",
                                      "boto3",
                                      "catboost",
                                      "certifi",
                                      "cffi",
                                      "click",
                                      "cloudpickle",
                                      "colorama",
                                      "coverage",
                                      "cryptography",
                                      "cycler",
                                      "cython",
                                      "dask",
                                      "datasets",
                                      "decorator",
                                      "deepspeed",
                                      "dill",
                                      "distributed",
                                      "fastapi",
                                      "filelock",
                                      "flake8",
                                      "flask",
                                      "fsspec",
                                      "future",
                                      "gensim",
                                      "gitpython",
                                      "h5py",
                                      "horovod",
                                      "hydra-core",
                                      "idna",
                                      "imageio",
                                      "ipykernel",
                                      "ipython",
                                      "ipywidgets",
                                      "jinja2",
                                      "joblib",
                                      "jsonschema",
                                      "jupyter",
                                      "jupyterlab",
                                      "keras",
                                      "kornia",
                                      "lightgbm",
                                      "lightning",
                                      "llvmlite",
                                      "lmdb",
                                      "loguru",
                                      "markdown",
                                      "matplotlib",
                                      "mkl",
                                      "ml-dtypes",
                                      "mlflow",
                                      "msgpack",
                                      "mypy",
                                      "networkx",
                                      "ninja",
                                      "nltk",
                                      "notebook",
                                      "numba",
                                      "numpy",
                                      "omegaconf",
                                      "onnx",
                                      "onnxruntime",
                                      "openpyxl",
                                      "optuna",
                                      "packaging",
                                      "pandas",
                                      "pillow",
                                      "pip",
                                      "plotly",
                                      "polars",
                                      "protobuf",
                                      "psutil",
                                      "py-cpuinfo",
                                      "pyarrow",
                                      "pycocotools",
                                      "pydantic",
                                      "pydicom",
                                      "pyparsing",
                                      "pytest",
                                      "python-dateutil",
                                      "pytorch-lightning",
                                      "pytz",
                                      "pyyaml",
                                      "pyzmq",
                                      "ray",
                                      "regex",
                                      "requests",
                                      "rich",
                                      "safetensors",
                                      "scikit-image",
                                      "scikit-learn",
                                      "scipy",
                                      "seaborn",
                                      "sentencepiece",
                                      "setuptools",
                                      "shap",
                                      "simplejson",
                                      "six",
                                      "spacy",
                                      "sqlalchemy",
                                      "statsmodels",
                                      "sympy",
                                      "tabulate",
                                      "tensorboard",
                                      "tensorboardx",
                                      "tensorflow",
                                      "termcolor",
                                      "tifffile",
                                      "timm",
                                      "tokenizers",
                                      "toml",
                                      "torchaudio",
                                      "torchdata",
                                      "torchmetrics",
                                      "torchtext",
                                      "torchvision",
                                      "tornado",
                                      "tqdm",
                                      "traitlets",
                                      "transformers",
                                      "triton",
                                      "typer",
                                      "urllib3",
                                      "wandb",
                                      "werkzeug",
                                      "wheel",
                                      "xarray",
                                      "xgboost",
                                      "xlrd",
                                      "yacs",
                                      "zarr"};

constexpr std::string_view kCuda[] = {"cudatoolkit",  "cudnn",        "cuda", "cuda-version",
                                      "cuda-toolkit", "pytorch-cuda", "nccl", "magma-cuda"};
constexpr std::string_view kVariants[] = {"cpuonly", "pytorch-mutex", "blas", "nomkl",
                                          "mkl-service"};
// Libraries that wheels carry inside, and what every machine has.
constexpr std::string_view kLibraries[] = {"_libgcc_mutex",  "_openmp_mutex",
                                           "bzip2",          "ca-certificates",
                                           "freetype",       "intel-openmp",
                                           "jpeg",           "ld_impl_linux-64",
                                           "lcms2",          "libblas",
                                           "libcblas",       "libffi",
                                           "libgcc",         "libgcc-ng",
                                           "libgfortran-ng", "libgomp",
                                           "libjpeg-turbo",  "liblapack",
                                           "libpng",         "libstdcxx-ng",
                                           "libtiff",        "libwebp",
                                           "lz4-c",          "ncurses",
                                           "olefile",        "openblas",
                                           "openssl",        "readline",
                                           "sqlite",         "tk",
                                           "tzdata",         "xz",
                                           "zlib",           "zstd"};

// What users import of these is in Roost's own package, or raises there with the way out.
constexpr std::string_view kSdkSatisfied[] = {
    "azureml-defaults", "azureml-core",          "azureml-sdk",
    "azureml-train",    "azureml-train-core",    "azureml-train-restclients-hyperdrive",
    "azureml-pipeline", "azureml-pipeline-core", "azureml-pipeline-steps",
    "azureml-widgets",  "azureml-telemetry",     "azureml-dataset-runtime"};
// Named like the SDK, without bringing it along or being a part of it.
constexpr std::string_view kSdkIndependent[] = {"azureml-inference-server-http"};

template <std::size_t size>
bool Contains(const std::string_view (&list)[size], std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

}  // namespace

std::optional<PipName> PipNameOfConda(std::string_view conda_name) {
  for (const Renamed& one : kRenamed) {
    if (one.conda == conda_name) return PipName{std::string(one.pip), ""};
  }
  if (Contains(kSame, conda_name)) return PipName{std::string(conda_name), ""};
  if (Contains(kCuda, conda_name)) {
    return PipName{"", "packages of pip that use CUDA bring it along"};
  }
  if (Contains(kVariants, conda_name)) {
    return PipName{"", "it chooses between builds of conda; pip has its own"};
  }
  if (Contains(kLibraries, conda_name)) {
    return PipName{"", "pip's packages carry such libraries inside"};
  }
  return std::nullopt;
}

SdkPackage ClassifySdkPackage(std::string_view normalized_name) {
  if (Contains(kSdkSatisfied, normalized_name)) return SdkPackage::kSatisfied;
  if (Contains(kSdkIndependent, normalized_name)) return SdkPackage::kNone;
  const bool is_sdk = normalized_name == "azureml" || normalized_name.starts_with("azureml-");
  return is_sdk ? SdkPackage::kAbsent : SdkPackage::kNone;
}

}  // namespace roost::environments

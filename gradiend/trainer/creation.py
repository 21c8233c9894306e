"""New, untrained models for a trainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from gradiend.backbones.loading import load_base_model
from gradiend.devices import AUTO
from gradiend.errors import GradiendError
from gradiend.model import GradiendConfig, GradiendModel
from gradiend.space import ParameterSpace, select_parameters
from gradiend.stages.cache_importance import about_base_model
from gradiend.trainer.model_with_gradiend import ModelWithGradiend, base_settings
from gradiend.trainer.text.prediction.model_with_gradiend import TextPredictionModelWithGradiend

M = TypeVar("M", bound=ModelWithGradiend)
UNTRAINED = ("first", "second")


def create_model_with_gradiend(
    base_model: str | Path,
    *,
    model_class: type[M] = TextPredictionModelWithGradiend,  # type: ignore[assignment]
    param_map: Sequence[str] | None = None,
    torch_dtype: str = "float32",
    trust_remote_code: bool = False,
    device: str | None = None,
    seed: int = 0,
) -> M:
    """A base model, loaded from its id or folder, with a GRADIEND of random weights over some of its parameters.

    `param_map` has names or patterns of backbone parameters (`*` is any substring, `.` a dot), None is all of them.
    Raises `GradiendError` for a pattern that matches nothing, another kind of `model_class`, and where the base model
    cannot be loaded.
    """
    if not (isinstance(model_class, type) and issubclass(model_class, ModelWithGradiend)):
        wrong = model_class.__name__ if isinstance(model_class, type) else repr(model_class)
        raise GradiendError(f"model_class: {wrong} is wrong: should be ModelWithGradiend or a subclass of it")
    if isinstance(param_map, str):
        raise GradiendError(f"param_map: '{param_map}' is wrong: should be a list, ['{param_map}']")
    settings = base_settings(str(base_model), torch_dtype=torch_dtype, trust_remote_code=trust_remote_code)
    base = load_base_model(settings, device=device or AUTO)
    parameters = base.parameters()
    names = select_parameters(list(parameters), None if param_map is None else list(param_map))
    about = about_base_model(settings, base)
    space = ParameterSpace.of({name: parameters[name] for name in names}, about)

    def new() -> GradiendModel:
        return GradiendModel(space, GradiendConfig(UNTRAINED)).initialise(seed)

    return model_class(base, settings, space, new, trained=False)

"""Prints, as JSON, what AWS makes of a SAM template before CloudFormation gets it.

    translate.py template.yaml [Parameter=value ...]

The translator is the one that AWS itself runs (`aws-sam-translator`). It wants code
where `sam package` would have put it, so that each function here has an address that
ends with its folder.
"""

import json
import logging
import os
import pathlib
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class NoManagedPolicies:
    """For policies by name, which the translator would ask IAM for; the template has none."""

    def load(self):
        return {}


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")  # it decides AWS' partition
logging.disable(logging.ERROR)  # what is wrong with the template comes as an exception
path, *overrides = sys.argv[1:]
template = yaml_parse(pathlib.Path(path).read_text(encoding="utf-8"))
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::Function":
        properties = resource["Properties"]
        if properties.get("PackageType") == "Image":
            folder = pathlib.PurePosixPath(resource["Metadata"]["Dockerfile"]).parent
            properties["ImageUri"] = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{folder}:built"
        else:
            properties["CodeUri"] = "s3://built/" + properties["CodeUri"].rstrip("/")
parameters = dict(override.split("=", 1) for override in overrides)
json.dump(transform(template, parameters, NoManagedPolicies()), sys.stdout, indent=1, default=str)

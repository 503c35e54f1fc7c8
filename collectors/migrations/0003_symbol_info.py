from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('collectors', '0002_recovery'),
    ]

    operations = [
        migrations.AddField(
            model_name='symbol',
            name='info',
            field=models.JSONField(blank=True, default=dict, editable=False, help_text="The exchange's own entry of exchangeInfo."),
        ),
    ]
